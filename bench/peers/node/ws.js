// Node `ws` and Redis: POST /publish/<user> → the user's channel → the user's WebSockets.

import { WebSocketServer } from "ws";

import { openAudience } from "./audience.js";
import { publishingServer, userOf } from "./publishing.js";

const audience = openAudience((socket, message) => socket.send(message));
const server = publishingServer(audience.publish);

new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (socket, request) => {
  const user = userOf(request.url);
  audience.join(user, socket);
  socket.on("close", () => audience.leave(user, socket));
});
server.listen(process.env.PORT, "127.0.0.1");
