/** The four tabs: an ARIA tab list whose arrow keys follow the writing direction, with a count beside Unread. */

import { h, setText } from "./dom.js";

/** @typedef {"all" | "unread" | "archived" | "snoozed"} Filter */

/** @type {Filter[]} */
const FILTERS = ["all", "unread", "archived", "snoozed"];

export class Tabs {
  /** @type {Filter} */
  selected = "all";
  #choose;

  /** @param {(filter: Filter) => void} choose */
  constructor(choose) {
    this.#choose = choose;
    this.count = h("span", { class: "count", part: "count" });
    this.buttons = FILTERS.map((filter) => this.#button(filter));
    const onkeydown = (/** @type {KeyboardEvent} */ event) => this.#walk(event);
    this.element = h("div", { role: "tablist", class: "tabs", part: "tabs", onkeydown }, ...this.buttons);
    this.#mark();
  }

  /**
   * @param {(key: string) => string} say
   * @param {string} unread
   */
  show(say, unread) {
    this.element.ariaLabel = say("filters");
    this.buttons.forEach((button, index) =>
      setText(/** @type {Element} */ (button.firstElementChild), say(FILTERS[index])),
    );
    setText(this.count, unread);
    this.count.hidden = unread === "";
  }

  /** @param {Filter} filter */
  #button(filter) {
    const id = `tab-${filter}`;
    const attributes = { type: "button", role: "tab", class: "tab", part: "tab", id, "aria-controls": "list" };
    const button = h("button", { ...attributes, onclick: () => this.select(filter) }, h("span", {}));
    if (filter === "unread") button.append(this.count);
    return button;
  }

  /** @param {Filter} filter */
  select(filter) {
    this.selected = filter;
    this.#mark();
    this.#choose(filter);
  }

  #mark() {
    this.buttons.forEach((button, index) => {
      const selected = FILTERS[index] === this.selected;
      button.ariaSelected = String(selected);
      button.tabIndex = selected ? 0 : -1;
      button.part.toggle("tab-selected", selected);
    });
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const forward = getComputedStyle(this.element).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    const at = FILTERS.indexOf(this.selected);
    const last = FILTERS.length - 1;
    let to = { Home: 0, End: last }[event.key];
    if (event.key === "ArrowLeft" || event.key === "ArrowRight")
      to = (at + (event.key === forward ? 1 : last)) % FILTERS.length;
    if (to === undefined) return;
    event.preventDefault();
    this.select(FILTERS[to]);
    this.buttons[to].focus();
  }
}
