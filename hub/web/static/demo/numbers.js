/**
 * The counters: what is connected, what was published and delivered since the page was opened, and how long it took.
 *
 * Latency is measured where it matters, from the click to the frame in which a pane paints the notification, the commit
 * included. Timed is what this page published, because of nothing else it knows when it began, and what came live: what
 * was caught up on after a kill would measure the restart.
 */

import { duration, h } from "./element.js";
import { Pulse } from "./pulse.js";

const WINDOW = 500;
/** Of how many notifications it is remembered when they began, or were shown before that was known. */
const REMEMBERED = 1000;

/** @typedef {{ shown: number, timed: (milliseconds: number) => void }} Arrival */

export class Numbers {
  /** @type {Map<string, HTMLElement>} */
  #places = new Map();
  /** @type {Map<string, number>} */
  #begun = new Map();
  /** @type {Map<string, Arrival[]>} */
  #early = new Map();
  /** @type {number[]} */
  #latencies = [];
  #published = 0;
  #delivered = 0;
  #pulse = new Pulse();

  /** @param {HTMLElement} element */
  constructor(element) {
    for (const [name, label, unit] of LABELS) {
      const place = h("dd", { id: `number-${name}` }, "–");
      this.#places.set(name, place);
      element.append(h("div", {}, h("dt", {}, label), place, h("dd", { class: "unit" }, unit)));
    }
    this.#places.get("p50")?.after(h("dd", { class: "pulse" }, this.#pulse.element));
    this.#show();
  }

  /** @param {number} connections */
  connected(connections) {
    this.#say("connections", String(connections));
  }

  /**
   * A publish was accepted.
   * @param {string[]} ids of its notifications
   * @param {number} began when the button was pressed, by `performance.now()`
   */
  published(ids, began) {
    this.#published += ids.length;
    for (const id of ids) {
      this.#begun.set(id, began);
      for (const { shown, timed } of this.#early.get(id) ?? []) this.#took(shown - began, timed);
      this.#early.delete(id);
    }
    this.#show();
  }

  /**
   * A pane has got a new notification; once it is painted, it is delivered.
   * @param {string} id
   * @param {boolean} late caught up on
   * @param {(milliseconds: number) => void} timed told how long it took, once that is known
   */
  arrived(id, late, timed) {
    requestAnimationFrame(() => {
      this.#delivered += 1;
      if (!late) this.#time(id, { shown: performance.now(), timed });
      this.#show();
    });
  }

  /** @param {string} id @param {Arrival} arrival */
  #time(id, arrival) {
    const began = this.#begun.get(id);
    if (began !== undefined) this.#took(arrival.shown - began, arrival.timed);
    else this.#early.set(id, [...(this.#early.get(id) ?? []), arrival]); // before its publish was answered
  }

  /** @param {number} latency @param {(milliseconds: number) => void} timed */
  #took(latency, timed) {
    this.#latencies.push(latency);
    this.#pulse.beat(latency);
    timed(latency);
  }

  #show() {
    for (const times of [this.#begun, this.#early]) {
      for (const id of [...times.keys()].slice(0, -REMEMBERED)) times.delete(id);
    }
    this.#latencies.splice(0, this.#latencies.length - WINDOW);
    this.#say("published", this.#published.toLocaleString("en"));
    this.#say("delivered", this.#delivered.toLocaleString("en"));
    const sorted = this.#latencies.toSorted((one, other) => one - other);
    for (const [name, share] of QUANTILES) {
      const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
      this.#say(name, value === undefined ? "–" : duration(value));
    }
  }

  /** @param {string} name @param {string} text */
  #say(name, text) {
    const place = this.#places.get(name);
    if (place && place.textContent !== text) place.textContent = text;
  }
}

const QUANTILES = /** @type {const} */ ([["p50", 0.5], ["p99", 0.99]]);
const LABELS = [
  ["connections", "Connections", "on all nodes"],
  ["published", "Published", "by this page"],
  ["delivered", "Delivered", "to these panes"],
  ["p50", "Latency, p50", "from click to paint"],
  ["p99", "Latency, p99", "from click to paint"],
];
