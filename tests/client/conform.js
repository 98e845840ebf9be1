/** Meet the conformance kit's scenarios, on one transport: `node conform.js URL TRANSPORT SCENARIO…`. Runs until killed. */

import { WebSocket } from "ws";

import { connect } from "../../hub/web/client/hub.js";
import "./scripted.js"; // for what an older Node lacks

globalThis.WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address);
    this.on("error", () => {});
  }
};

const [, , url, transport, ...scenarios] = process.argv;
for (const scenario of scenarios) {
  const hub = connect({ url: `${url}/${scenario}`, getToken: () => "any", transport });
  hub.list();
}
