// `POST /publish/<user>` on a bare HTTP server: the body, as it is, goes to the user.

import { createServer } from "node:http";

export function publishingServer(publish) {
  return createServer((request, response) => {
    const user = request.url.split("/")[2];
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", async () => {
      await publish(user, Buffer.concat(chunks).toString());
      response.writeHead(201, { "Content-Length": 0 }).end();
    });
  });
}

export const userOf = (url) => new URL(url, "http://localhost").searchParams.get("user");
