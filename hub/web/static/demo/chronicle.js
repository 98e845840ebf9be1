/** What happened, newest first: the story of a kill and its recovery, told in one place with the time of each step. */

import { h } from "./element.js";

const KEPT = 60;
const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export class Chronicle {
  #list;

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /**
   * @param {"info" | "good" | "bad"} kind
   * @param {string} text
   */
  tell(kind, text) {
    const now = new Date();
    const time = `${CLOCK.format(now)}.${String(now.getMilliseconds()).padStart(3, "0")}`;
    this.#list.prepend(h("li", { class: kind }, h("time", { datetime: now.toISOString() }, time), h("span", {}, text)));
    while (this.#list.children.length > KEPT) this.#list.lastElementChild?.remove();
  }
}
