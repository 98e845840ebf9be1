/**
 * The little dialog that asks when to be reminded: some moments that make sense now, or any other.
 *
 * One for the whole list, shown beside the button that opened it; the browser closes it on Escape or a click outside
 * and gives the focus back.
 */

import { h } from "./dom.js";
import { place } from "./place.js";
import { coming, snoozeChoices } from "./time.js";

export class SnoozeMenu {
  /** @type {(when: Date) => void} */
  #choose = () => {};

  constructor() {
    this.element = h("div", {
      popover: "auto",
      role: "dialog",
      class: "menu",
      part: "menu",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#walk(event),
    });
  }

  /**
   * @param {HTMLElement} anchor
   * @param {{ say: (key: string) => string, language: string }} context
   * @param {(when: Date) => void} choose
   */
  open(anchor, { say, language }, choose) {
    this.#choose = choose;
    const now = new Date();
    this.element.ariaLabel = say("snooze_until");
    const choices = snoozeChoices(now).map(({ key, at }) =>
      h(
        "button",
        { type: "button", class: "menu-item", onclick: () => this.#done(at) },
        h("span", {}, say(key)),
        h("span", { class: "when" }, coming(at, now, language)),
      ),
    );
    this.element.replaceChildren(
      h("p", { class: "menu-title" }, say("snooze_until")),
      ...choices,
      this.#picker(say, now),
    );
    this.element.showPopover();
    place(this.element, anchor);
    choices[0].focus();
  }

  /** @param {(key: string) => string} say @param {Date} now */
  #picker(say, now) {
    const soon = new Date(now.getTime() + 5 * 60_000 - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    const input = h("input", {
      type: "datetime-local",
      "aria-label": say("pick"),
      min: soon,
      value: soon,
      required: true,
    });
    const onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#done(new Date(input.value));
    };
    return h(
      "form",
      { class: "picker", onsubmit },
      input,
      h("button", { type: "submit", class: "choice first" }, say("set")),
    );
  }

  /** @param {Date} when */
  #done(when) {
    this.element.hidePopover();
    this.#choose(when);
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const items = /** @type {HTMLElement[]} */ ([...this.element.querySelectorAll(".menu-item")]);
    const at = items.indexOf(/** @type {HTMLElement} */ (event.target));
    if (!step || at < 0) return;
    event.preventDefault();
    items[(at + step + items.length) % items.length].focus();
  }
}
