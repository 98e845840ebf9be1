/** Follow an inbox with a package of npm, printing each frame as a line: `node follow.js ws|eventsource URL TOKEN`. */

import { EventSource } from "eventsource";
import { WebSocket } from "ws";

const [, , packageName, url, token] = process.argv;
const headers = { Authorization: `Bearer ${token}` };
const print = ({ data }) => console.log(data);

if (packageName === "ws") {
  new WebSocket(`${url.replace("http", "ws")}/v1/ws?snapshot=5`, "hub.v1", { headers }).onmessage = print;
} else {
  const authorized = (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } });
  const source = new EventSource(`${url}/v1/stream?snapshot=5`, { fetch: authorized });
  for (const type of ["hello", "notification"]) source.addEventListener(type, print);
}
