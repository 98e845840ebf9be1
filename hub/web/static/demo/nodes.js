/**
 * The nodes: whether they answer, what hangs on them, and a button that kills each.
 *
 * Each is asked for its metrics, once a second: a node that is gone does not answer. Another node does the killing, so
 * that the answer survives it.
 */

import { duration, h } from "./element.js";

const EVERY_MS = 1000;
const TIMEOUT_MS = 900;

/** @typedef {{ system: import("./system.js").System, chronicle: import("./chronicle.js").Chronicle,
 *   numbers: import("./numbers.js").Numbers, returned: (node: number) => void }} Stage */

export class Nodes {
  #stage;
  #cards;

  /** @param {HTMLElement} list @param {Stage} stage */
  constructor(list, stage) {
    this.#stage = stage;
    this.#cards = stage.system.nodes.map((url, number) => new Card({ url, number, stage }));
    list.append(...this.#cards.map(({ element }) => element));
  }

  /** Look at them, and again a second later. */
  async watch() {
    const counts = await Promise.all(this.#cards.map((card) => card.look()));
    this.#stage.numbers.connected(counts.reduce((sum, count) => sum + count, 0));
    setTimeout(() => void this.watch(), EVERY_MS);
  }
}

class Card {
  #url;
  #number;
  #stage;
  #state = h("span", { class: "state" });
  #pid = h("span", { class: "pid" });
  #kill;
  #downSince = 0;
  #up = false;

  /** @param {{ url: string, number: number, stage: Stage }} of */
  constructor({ url, number, stage }) {
    this.#url = url;
    this.#number = number;
    this.#stage = stage;
    const onclick = () => void this.#killed();
    const title = "SIGKILL: no goodbye, no draining. It is started again, and its panes recover by themselves.";
    const hidden = stage.system.pids[`node-${number}`] === undefined;
    const attributes = { type: "button", class: "kill", "data-kill": String(number), title, hidden, onclick };
    this.#kill = h("button", attributes, "Kill it");
    const name = h("span", {}, h("strong", {}, `node ${number}`), " ", this.#pid);
    this.element = h("li", { "data-node": String(number) }, name, this.#state, this.#kill);
    this.#showPid();
  }

  /** Ask it for its connections; return how many there are. */
  async look() {
    const metrics = await this.#metrics();
    if (metrics === null) {
      this.#showDown();
      return 0;
    }
    const connections = total(metrics, "hub_connections");
    await this.#showUp(connections);
    return connections;
  }

  /** Its metrics, or null: it may die, or grow slow, between the first byte and the last. */
  async #metrics() {
    try {
      const answer = await fetch(`${this.#url}/metrics`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      return answer.ok ? await answer.text() : null;
    } catch {
      return null;
    }
  }

  async #killed() {
    this.#kill.disabled = true;
    const { system, chronicle } = this.#stage;
    try {
      const { pid } = await system.ask(`/demo/nodes/${this.#number}/kill`, { method: "POST" }, this.#number);
      chronicle.tell("bad", `node ${this.#number}: killed with SIGKILL, pid ${pid}`);
      this.#showDown();
    } catch (error) {
      chronicle.tell("info", `node ${this.#number}: ${/** @type {Error} */ (error).message}`);
      this.#kill.disabled = false;
    }
  }

  #showDown() {
    if (this.#up) this.#downSince = performance.now();
    this.#up = false;
    this.#kill.disabled = true;
    this.element.dataset.state = "down";
    this.#state.textContent = "killed, being started again";
  }

  /** @param {number} connections */
  async #showUp(connections) {
    if (this.#downSince) await this.#returned();
    this.#up = true;
    this.#kill.disabled = false;
    this.element.dataset.state = "up";
    this.#state.textContent = `${connections} connection${connections === 1 ? "" : "s"}`;
  }

  async #returned() {
    const took = duration(performance.now() - this.#downSince);
    this.#downSince = 0;
    this.#stage.chronicle.tell("good", `node ${this.#number}: answers again after ${took}`);
    this.#stage.returned(this.#number);
    await this.#stage.system.refresh().catch(() => {}); // the old pid is shown until the next time
    this.#showPid();
  }

  #showPid() {
    const pid = this.#stage.system.pids[`node-${this.#number}`];
    this.#pid.textContent = pid === undefined ? "" : `pid ${pid}`;
  }
}

/** Add up a metric's samples in Prometheus' text. @param {string} text @param {string} name */
function total(text, name) {
  const samples = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
