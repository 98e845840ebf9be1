/**
 * A pane: one user's inbox on one node, as an application would embed it, with the state of its connection on top.
 *
 * It has a connection of its own because its hub's address is a node's. A deployment has one address for all nodes; here
 * they are told apart to show what happens to the ones that lose theirs.
 */

import { connect } from "/client/hub.js";
import "/client/hub-inbox.js";

import { duration, h } from "./element.js";

/**
 * @typedef {object} Stage
 * @property {import("./system.js").System} system
 * @property {string} user
 * @property {number} node
 * @property {"websocket" | "sse"} transport
 * @property {import("./chronicle.js").Chronicle} chronicle
 * @property {import("./numbers.js").Numbers} numbers
 */

const WORDS = {
  live: "live",
  connecting: "connecting",
  waiting: "reconnecting",
  offline: "offline",
  stopped: "stopped",
};

export class Pane {
  #stage;
  #place;
  #state = h("span", { class: "state", role: "status" });
  #lostAt = 0;
  #caughtUp = 0;
  #connected = false;
  #took = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #ticking;

  /** @param {Stage} stage */
  constructor(stage) {
    const { system, user } = stage;
    const node = stage.node % system.nodes.length;
    const url = system.nodes[node];
    this.#stage = stage;
    this.#place = `${user} on node ${node}`;
    this.hub = connect({ url, transport: stage.transport, getToken: () => system.token(user) });
    this.element = this.#build(user, node, new URL(url).host);
    this.#listen();
  }

  /**
   * @param {string} user
   * @param {number} node
   * @param {string} host
   */
  #build(user, node, host) {
    const bell = h("hub-bell");
    const inbox = h("hub-inbox");
    bell.hub = inbox.hub = this.hub;
    const who = h("div", {}, h("h2", {}, user), h("p", { class: "place" }, `node ${node} · ${host}`));
    const face = h("span", { class: `face ${user}`, "aria-hidden": "true" }, user[0].toUpperCase());
    const head = h("header", {}, face, who, this.#state, bell);
    const attributes = { class: "pane card", "data-user": user, "data-node": String(node), "aria-label": this.#place };
    const element = h("section", attributes, head, inbox);
    element.addEventListener("hub-open", (event) => this.#stay(event, "opened"));
    element.addEventListener("hub-action", (event) => this.#stay(event, "pressed a button of"));
    return element;
  }

  /**
   * Its node is back, as the page happens to know. Behind a load balancer another node would have answered at once; a
   * pane that can only wait for this one need not sit out a backoff that is meant for thousands.
   * @param {number} node
   */
  hurry(node) {
    const mine = this.#stage.node % this.#stage.system.nodes.length === node;
    if (mine && this.hub.state.connection === "waiting") this.hub.reconnect();
  }

  #listen() {
    this.hub.subscribe((state) => this.#showState(state));
    this.hub.addEventListener("notification", ({ detail }) => {
      if (detail.replayed) this.#caughtUp += 1;
      if (detail.change === "created") this.#arrived(detail);
    });
  }

  /** @param {import("/client/hub.js").NotificationFrame} frame */
  #arrived({ notification, replayed }) {
    this.#stage.numbers.arrived(notification.id, replayed, (took) => this.#timed(took));
    this.element.classList.remove("rung");
    void this.element.offsetWidth; // so that the animation begins anew
    this.element.classList.add("rung");
  }

  /** @param {number} took */
  #timed(took) {
    this.#took = duration(took);
    this.#showAside(this.hub.state);
  }

  /** @param {import("/client/hub.js").HubState} state */
  #showState(state) {
    const { connection, transport, seq, queued } = state;
    const words = [WORDS[connection]];
    if (connection === "live") words.push(transport === "sse" ? "SSE" : "WebSocket", `seq ${seq}`);
    if (queued) words.push(`${queued} queued`);
    this.#state.textContent = words.join(" · ");
    this.element.dataset.connection = connection;
    this.#showAside(state);
    if (connection === "live") this.#recovered(seq);
    else if (this.#connected) this.#lost(seq);
  }

  /**
   * What changes too often to be read out: how long the last arrival took, or when it is tried again.
   * @param {import("/client/hub.js").HubState} state
   */
  #showAside({ connection, retry_at = 0 }) {
    clearTimeout(this.#ticking);
    const left = connection === "waiting" ? Math.ceil((retry_at - Date.now()) / 1000) : 0;
    if (left > 0) this.#ticking = setTimeout(() => this.#showAside(this.hub.state), 250);
    const took = connection === "live" && this.#took ? `· ${this.#took}` : "";
    this.#state.dataset.aside = left > 0 ? `in ${left} s` : took;
  }

  /** @param {number} seq */
  #lost(seq) {
    this.#connected = false;
    this.#lostAt = performance.now();
    this.#caughtUp = 0;
    this.#took = "";
    this.#stage.chronicle.tell("bad", `${this.#place}: connection lost at seq ${seq}`);
  }

  /** @param {number} seq */
  #recovered(seq) {
    if (this.#connected) return;
    this.#connected = true;
    if (this.#lostAt === 0) return;
    const took = duration(performance.now() - this.#lostAt);
    const missed = this.#caughtUp ? `caught up on ${this.#caughtUp}, ` : "";
    this.#stage.chronicle.tell("good", `${this.#place}: live again after ${took}, ${missed}nothing lost, seq ${seq}`);
    this.#lostAt = 0;
  }

  /** Tell instead of navigating: there is no shop behind the parcels. @param {Event} event @param {string} did */
  #stay(event, did) {
    event.preventDefault();
    const { notification } = /** @type {CustomEvent} */ (event).detail;
    this.#stage.chronicle.tell("info", `${this.#place} ${did} “${notification.title}”`);
  }
}
