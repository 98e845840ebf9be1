/**
 * The frame around the list: header, tabs, filter, the preferences' place, notice and snackbar. Only structure and
 * wording; what fills it and what it does is the element's business.
 */

import { h, setText } from "./dom.js";
import { icon } from "./icons.js";
import { humanize } from "./messages.js";

/**
 * @typedef {object} Handlers
 * @property {() => void} readAll
 * @property {(open: boolean) => void} preferences
 * @property {(category: string) => void} category
 * @property {() => void} close
 */

/** @param {string} name @param {string} part @param {() => void} onclick */
const tool = (name, part, onclick) =>
  h("button", { type: "button", class: `icon-button ${part}`, part, onclick }, icon(name));

export class Panel {
  /**
   * @param {Handlers} handlers
   * @param {{ notice: Node, tabs: Node, feed: Node, snackbar: Node, voice: Node, menu: Node }} parts
   */
  constructor(handlers, { notice, tabs, feed, snackbar, voice, menu }) {
    this.title = h("h2", { class: "heading", part: "title", id: "title", tabindex: "-1" });
    this.readAll = tool("checks", "read-all", handlers.readAll);
    this.settings = tool("sliders", "settings", () => handlers.preferences(true));
    this.back = tool("back", "back", () => handlers.preferences(false));
    this.close = tool("close", "close", handlers.close);
    this.select = h("select", { onchange: () => handlers.category(this.select.value) });
    this.filter = h("label", { class: "icon-button filter", part: "filter" }, icon("funnel"), this.select);
    this.chip = h("button", { type: "button", class: "chip", part: "chip", onclick: () => handlers.category("") });
    this.blank = h("div", { class: "blank" });
    this.list = h("div", { class: "list", id: "list", role: "tabpanel" }, feed, this.blank);
    this.main = h("div", { class: "main" }, tabs, this.chip, this.list);
    this.preferences = h("div", { class: "side", hidden: true });
    const slot = h("slot", { name: "actions" });
    const buttons = h("div", { class: "buttons" }, slot, this.readAll, this.filter, this.settings, this.close);
    const header = h("header", { class: "header", part: "header" }, this.back, this.title, buttons);
    const attributes = { class: "panel", part: "panel", "aria-labelledby": "title" };
    this.element = h("section", attributes, header, notice, this.main, this.preferences, snackbar, voice, menu);
    this.back.hidden = true;
  }

  /** @param {(key: string) => string} say */
  translate(say) {
    const names = { readAll: "mark_all_read", settings: "preferences", back: "back", close: "close" };
    for (const [part, key] of Object.entries(names)) {
      const button = /** @type {HTMLElement} */ (this[/** @type {"readAll"} */ (part)]);
      button.ariaLabel = button.title = say(key);
    }
    this.select.ariaLabel = say("category");
    setText(this.title, say(this.preferences.hidden ? "notifications" : "preferences"));
  }

  /**
   * Show the preferences in place of the list, or the list again.
   * @param {Node | null} preferences
   * @param {(key: string) => string} say
   */
  turn(preferences, say) {
    const open = preferences !== null;
    this.preferences.replaceChildren(...(preferences ? [preferences] : []));
    for (const part of [this.main, this.readAll, this.filter, this.settings]) part.hidden = open;
    for (const part of [this.preferences, this.back]) part.hidden = !open;
    this.translate(say);
  }

  /**
   * Offer these categories; with fewer than two there is nothing to choose.
   * @param {string[]} categories
   * @param {string} selected
   * @param {(key: string) => string} say
   */
  offer(categories, selected, say) {
    this.filter.classList.toggle("unneeded", categories.length < 2 && !selected);
    this.filter.classList.toggle("active", selected !== "");
    this.filter.title = say("category");
    this.chip.hidden = selected === "";
    this.chip.replaceChildren(humanize(selected), icon("close"));
    this.chip.ariaLabel = `${humanize(selected)}: ${say("widen")}`;
    const all = h("option", { value: "" }, say("all_categories"));
    const options = categories.map((category) => h("option", { value: category }, humanize(category)));
    this.select.replaceChildren(all, ...options);
    this.select.value = selected;
  }
}
