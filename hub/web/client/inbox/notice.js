/**
 * The line that says when what is shown may not be current, and what the user can do about it.
 *
 * A reconnect takes less than a second, and a line that flashes is worse than none: it is said after a moment only.
 */

import { h, setText } from "./dom.js";
import { icon } from "./icons.js";

const PATIENCE_MS = 1500;

/** @type {Record<import("../hub.js").ConnectionState, string>} */
const KINDS = { live: "", connecting: "reconnecting", waiting: "reconnecting", offline: "offline", stopped: "stopped" };

/**
 * @typedef {import("../hub.js").HubState} HubState
 * @typedef {(key: string, values?: Record<string, string | number>) => string} Say
 */

export class Notice {
  #timer = 0;
  #since = 0;

  /** @param {() => void} reconnect */
  constructor(reconnect) {
    this.text = h("span", { role: "status" });
    this.button = h("button", { type: "button", class: "choice", hidden: true, onclick: reconnect });
    this.symbol = h("span", { class: "symbol" });
    this.element = h("div", { class: "notice", part: "notice", hidden: true }, this.symbol, this.text, this.button);
  }

  /**
   * @param {HubState} state
   * @param {Say} say
   */
  show(state, say) {
    const kind = KINDS[state.connection];
    clearTimeout(this.#timer);
    if (!kind) this.#since = 0;
    if (!kind) this.element.hidden = true;
    else if (kind === "reconnecting" && this.element.hidden) this.#later(kind, state, say);
    else this.#say(kind, state, say);
  }

  /** @param {string} kind @param {HubState} state @param {Say} say */
  #later(kind, state, say) {
    this.#since ||= Date.now();
    this.#timer = setTimeout(() => this.#say(kind, state, say), this.#since + PATIENCE_MS - Date.now());
  }

  /** @param {string} kind @param {HubState} state @param {Say} say */
  #say(kind, { queued, reason }, say) {
    const waiting = queued > 0 && kind !== "stopped" ? ` ${say("queued", { n: queued })}` : "";
    this.element.dataset.kind = kind;
    this.element.hidden = false;
    this.symbol.replaceChildren(
      kind === "reconnecting" ? h("span", { class: "spinner" }) : icon(kind === "offline" ? "offline" : "warning"),
    );
    setText(this.text, say(kind, { reason: reason ?? "" }) + waiting);
    this.button.hidden = kind !== "stopped";
    setText(this.button, say("reconnect"));
  }
}
