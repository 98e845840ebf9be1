/**
 * The demo page: panes that are the real inbox over the real client, and buttons that disturb what is behind them.
 *
 * Each module under demo/ owns one part of the page and knows the others only through what is passed here.
 */

import { Chronicle } from "./demo/chronicle.js";
import { Composer } from "./demo/composer.js";
import { h } from "./demo/element.js";
import { Nodes } from "./demo/nodes.js";
import { Numbers } from "./demo/numbers.js";
import { Outbox } from "./demo/outbox.js";
import { Pane } from "./demo/pane.js";
import { open } from "./demo/system.js";

/** Who is shown, on which node and how; alice sits in front of two. */
const PANES = /** @type {const} */ ([
  ["alice", 0, "websocket"],
  ["alice", 1, "websocket"],
  ["bob", 1, "sse"],
  ["carol", 0, "websocket"],
]);

/** @param {string} id */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

async function begin() {
  const system = await open();
  const chronicle = new Chronicle(part("chronicle"));
  const numbers = new Numbers(part("numbers"));
  const panes = PANES.map(
    ([user, node, transport]) => new Pane({ system, user, node, transport, chronicle, numbers }),
  );
  part("panes").append(...panes.map(({ element }) => element));
  new Composer(/** @type {HTMLFormElement} */ (part("composer")), { system, chronicle, numbers });
  const returned = (/** @type {number} */ node) => panes.forEach((pane) => pane.hurry(node));
  new Nodes(part("nodes"), { system, chronicle, numbers, returned }).watch();
  if (system.outbox) new Outbox(part("outbox-card"), system).watch();
  if (system.dashboard) part("links").append(h("a", { href: system.dashboard }, "RQ dashboard"));
}

begin().catch((error) => {
  const failure = part("failure");
  failure.textContent = `The demo did not start: ${error.message}. Reload to try again.`;
  failure.hidden = false;
});
