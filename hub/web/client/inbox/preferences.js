/**
 * The preferences: a grid of categories and channels, and quiet hours.
 *
 * Each switch is sent as it is flipped and flips back if the hub refuses. What it inherits, and what is locked, only the
 * hub knows, so every answer redraws the grid: switching "everything" off moves the rows that follow it.
 */

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { humanize } from "./messages.js";
import { quietHours } from "./quiet.js";

const EVERY = "*";
const CHANNELS = ["in_app", "email", "sms", "push"];
/** @type {Record<string, string>} */
const ICONS = { in_app: "inbox", email: "mail", sms: "message", push: "phone" };

/**
 * @typedef {{ enabled: boolean, locked: boolean, source: string }} Cell
 * @typedef {{ start: string, end: string, timezone: string }} QuietHours
 * @typedef {{
 *   categories: Record<string, Record<string, Cell>>,
 *   titles?: Record<string, string>,
 *   quiet_hours: QuietHours | null,
 * }} Resolved
 * @typedef {(key: string, values?: Record<string, string | number>) => string} Say
 */

export class Preferences {
  #hub;
  #say;
  #told;
  /** @type {Resolved | undefined} */
  #resolved;

  /**
   * @param {import("../hub.js").Hub} hub
   * @param {Say} say
   * @param {(text: string) => void} told
   */
  constructor(hub, say, told) {
    this.#hub = hub;
    this.#say = say;
    this.#told = told;
    this.element = h("div", { class: "preferences", part: "preferences" });
    this.load();
  }

  async load() {
    this.element.replaceChildren(h("div", { class: "waiting" }, h("span", { class: "spinner" }), this.#say("loading")));
    try {
      this.#take(await this.#hub.request("GET", "/v1/preferences"));
    } catch (error) {
      const again = h(
        "button",
        { type: "button", class: "choice first", onclick: () => this.load() },
        this.#say("try_again"),
      );
      const reason = h("p", { dir: "auto" }, /** @type {Error} */ (error).message);
      this.element.replaceChildren(
        h("div", { class: "empty", role: "alert" }, h("p", { class: "lead" }, this.#say("failed")), reason, again),
      );
    }
  }

  /** @param {object} patch */
  async #save(patch) {
    try {
      const answer = await this.#hub.request("PATCH", "/v1/preferences", patch);
      this.#take(answer?.categories ? answer : await this.#hub.request("GET", "/v1/preferences"));
      this.#told(this.#say("saved"));
    } catch (error) {
      if (this.#resolved) this.#take(this.#resolved);
      this.#told(this.#say("refused", { reason: /** @type {Error} */ (error).message }));
    }
  }

  /** @param {Resolved} resolved */
  #take(resolved) {
    this.#resolved = resolved;
    const root = /** @type {ShadowRoot} */ (this.element.getRootNode());
    const focus = root.activeElement?.id;
    const save = (/** @type {QuietHours | null} */ hours) => this.#save({ quiet_hours: hours });
    this.element.replaceChildren(this.#grid(resolved), quietHours(resolved.quiet_hours, this.#say, save));
    if (focus) root.getElementById(focus)?.focus();
  }

  /** @param {Resolved} resolved */
  #grid({ categories, titles = {} }) {
    const channels = CHANNELS.filter((channel) => Object.values(categories).some((row) => row[channel]));
    const heads = channels.map((channel) =>
      h("th", { scope: "col" }, icon(ICONS[channel]), h("span", {}, this.#say(channel))),
    );
    const shown = (/** @type {string} */ name) => titles[name] ?? humanize(name);
    const names = Object.keys(categories).filter((name) => name !== EVERY);
    names.sort((a, b) => shown(a).localeCompare(shown(b)));
    const rows = names.map((name) => this.#row(name, shown(name), categories[name], channels));
    if (categories[EVERY]) rows.unshift(this.#row(EVERY, this.#say("every_category"), categories[EVERY], channels));
    const head = h("thead", {}, h("tr", {}, h("td", {}), ...heads));
    return h("table", { part: "grid", "aria-label": this.#say("preferences") }, head, h("tbody", {}, ...rows));
  }

  /** @param {string} name @param {string} title @param {Record<string, Cell>} row @param {string[]} channels */
  #row(name, title, row, channels) {
    const every = name === EVERY;
    const hint = every && h("small", {}, this.#say("every_category_hint"));
    const cells = channels.map((channel) =>
      h("td", {}, row[channel] && this.#cell(name, title, channel, row[channel])),
    );
    return h(
      "tr",
      { class: every ? "every" : null },
      h("th", { scope: "row" }, h("span", { dir: "auto" }, title), hint),
      ...cells,
    );
  }

  /** @param {string} category @param {string} title @param {string} channel @param {Cell} cell */
  #cell(category, title, channel, { enabled, locked, source }) {
    const label = `${title}: ${this.#say(channel)}`;
    if (locked && enabled) {
      return h(
        "span",
        {
          class: "locked",
          role: "img",
          "aria-label": `${label}, ${this.#say("required")}`,
          title: this.#say("required"),
        },
        icon("lock"),
      );
    }
    const onchange = (/** @type {Event} */ event) => {
      const { checked } = /** @type {HTMLInputElement} */ (event.target);
      this.#save({ categories: { [category]: { [channel]: checked } } });
    };
    const attributes = { checked: enabled, disabled: locked, "data-source": source, id: `cell-${category}-${channel}` };
    return h("input", {
      type: "checkbox",
      role: "switch",
      class: "switch",
      part: "switch",
      "aria-label": label,
      onchange,
      ...attributes,
    });
  }
}
