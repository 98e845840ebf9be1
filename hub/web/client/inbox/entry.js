/**
 * One notification in the list: built once, then updated in place, so that focus, hover and a playing animation
 * survive every change.
 *
 * What it shows is a stranger's text, hence text nodes, `<bdi>`, and links that `links.js` lets pass. It changes
 * nothing by itself: it calls the actions it was given.
 */

import { h, iconButton, setText } from "./dom.js";
import { categoryIcon, icon } from "./icons.js";
import { safeImage, safeLink } from "./links.js";
import { humanize } from "./messages.js";
import { ago, coming, exactly } from "./time.js";

/**
 * @typedef {import("../hub.js").Notification} Notification
 *
 * @typedef {object} Context what all entries share
 * @property {(key: string, values?: Record<string, string | number>) => string} say
 * @property {string} language
 * @property {{ base: string, origins: string[] }} links
 * @property {{ base: string, origins: string[] }} images
 * @property {EntryActions} act
 *
 * @typedef {object} EntryActions
 * @property {(item: Notification, event: Event) => void} open
 * @property {(item: Notification, action: import("../hub.js").Action, event: Event) => void} choose
 * @property {(item: Notification) => void} toggleRead
 * @property {(item: Notification) => void} toggleArchived
 * @property {(item: Notification, anchor: HTMLElement) => void} snooze
 * @property {(item: Notification) => void} unsnooze
 * @property {(item: Notification) => void} remove
 */

let numbers = 0;

export class Entry {
  #context;
  #shown = "";
  #id = `entry-${++numbers}`;
  /** @type {Notification} */
  item;

  /**
   * @param {Notification} item
   * @param {Context} context
   */
  constructor(item, context) {
    this.item = item;
    this.#context = context;
    this.mark = h("span", { class: "mark", part: "mark" });
    this.title = h("h3", { class: "title", part: "title", id: `${this.#id}-title` });
    this.time = h("time", { class: "time", part: "time" });
    this.body = h("p", { class: "body", part: "body", id: `${this.#id}-body` });
    this.meta = h("p", { class: "meta", part: "meta", id: `${this.#id}-meta` });
    this.choices = h("div", { class: "choices", part: "actions" });
    this.tools = h("div", { class: "tools", part: "tools" });
    this.day = h("div", { class: "day", part: "day", "aria-hidden": "true" });
    this.element = this.#assemble();
    this.update(item);
  }

  #assemble() {
    const described = { "aria-labelledby": this.title.id, "aria-describedby": `${this.body.id} ${this.meta.id}` };
    const content = h("div", { class: "content" }, this.title, this.body, this.meta, this.choices);
    const onclick = (/** @type {Event} */ event) => this.#clicked(event);
    const row = h("div", { class: "row", part: "entry", onclick }, this.mark, content, this.tools);
    return h("article", { class: "entry", tabindex: "-1", ...described }, this.day, row);
  }

  /** Show this version of it. @param {Notification} item */
  update(item) {
    this.item = item;
    const { language } = this.#context;
    const shown = [item.seq, item.read, item.archived, item.snoozed_until, item.repeat_count, language].join();
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.element.classList.toggle("unread", !item.read);
    this.element.dataset.priority = item.priority;
    this.#showTitle();
    this.body.replaceChildren(...(item.body ? [h("bdi", {}, item.body)] : []));
    this.mark.replaceChildren(this.#picture(), h("span", { class: "dot", part: "dot" }));
    this.meta.replaceChildren(...this.#facts());
    this.choices.replaceChildren(...(item.actions ?? []).map((action, index) => this.#choice(action, index)));
    this.#showTools();
    this.tick();
  }

  /** Open it, as a click on it does. */
  open(/** @type {Event} */ event) {
    this.#context.act.open(this.item, event);
  }

  /** Say how long ago it is now. */
  tick() {
    const created = new Date(this.item.created_at);
    const { language } = this.#context;
    setText(this.time, ago(created, new Date(), language));
    this.time.dateTime = this.item.created_at;
    this.time.title = exactly(created, language);
  }

  #showTitle() {
    const { say, links } = this.#context;
    const { title, action_url, read } = this.item;
    const state = read ? null : h("span", { class: "hidden" }, `${say("is_unread")}: `);
    const link = safeLink(action_url, links);
    const text = h("bdi", {}, title);
    this.title.replaceChildren(...(state ? [state] : []), link ? this.#link(link, { class: "open" }, text) : text);
    this.element.classList.toggle("linked", link !== null);
  }

  /** @param {URL} url @param {Record<string, any>} attributes @param {...(Node | string)} children */
  #link(url, attributes, ...children) {
    const elsewhere = url.origin !== new URL(this.#context.links.base).origin;
    const away = elsewhere ? { target: "_blank", rel: "noopener noreferrer" } : {};
    return h("a", { href: url.href, ...away, ...attributes }, ...children);
  }

  #picture() {
    const { name, tint } = categoryIcon(this.item.category);
    const picture = h("span", { class: "picture", part: "icon", "data-tint": tint }, icon(name));
    const address = safeImage(this.item.icon, this.#context.images);
    if (!address) return picture;
    const fallback = () => image.replaceWith(icon(name));
    const image = h("img", {
      src: address.href,
      alt: "",
      loading: "lazy",
      referrerpolicy: "no-referrer",
      onerror: fallback,
    });
    picture.replaceChildren(image);
    return picture;
  }

  #facts() {
    const { say, language } = this.#context;
    const { category, priority, repeat_count, snoozed_until } = this.item;
    /** @type {Node[]} */
    const facts = [this.time, h("span", { class: "category" }, h("bdi", {}, humanize(category)))];
    if (priority === "critical") facts.unshift(h("span", { class: "flag urgent" }, say("urgent")));
    if (priority === "high") facts.unshift(h("span", { class: "flag" }, say("important")));
    if (repeat_count > 1)
      facts.push(h("span", { class: "repeats", title: say("times", { n: repeat_count }) }, `×${repeat_count}`));
    if (snoozed_until) {
      const time = coming(new Date(snoozed_until), new Date(), language);
      facts.push(h("span", { class: "wakes" }, icon("clock"), say("back_at", { time })));
    }
    return facts;
  }

  /** @param {import("../hub.js").Action} action @param {number} index */
  #choice(action, index) {
    const attributes = { class: index === 0 ? "choice first" : "choice", part: "action", dir: "auto" };
    const link = safeLink(action.url, this.#context.links);
    const onclick = (/** @type {Event} */ event) => this.#context.act.choose(this.item, action, event);
    if (link) return this.#link(link, { ...attributes, onclick }, action.label);
    return h("button", { type: "button", ...attributes, onclick }, action.label);
  }

  #showTools() {
    const { say, act } = this.#context;
    const { read, archived, snoozed_until } = this.item;
    const tools = [
      iconButton(icon(read ? "circle" : "check"), say(read ? "mark_unread" : "mark_read"), () =>
        act.toggleRead(this.item),
      ),
    ];
    if (snoozed_until) tools.push(iconButton(icon("bell"), say("unsnooze"), () => act.unsnooze(this.item)));
    else if (!archived) tools.push(this.#snoozeButton());
    tools.push(
      iconButton(icon(archived ? "unarchive" : "archive"), say(archived ? "unarchive" : "archive"), () =>
        act.toggleArchived(this.item),
      ),
    );
    if (archived) tools.push(iconButton(icon("trash"), say("remove"), () => act.remove(this.item)));
    this.#keepFocus(() => this.tools.replaceChildren(...tools));
  }

  #snoozeButton() {
    const { say, act } = this.#context;
    const button = iconButton(icon("clock"), say("snooze"), () => act.snooze(this.item, button), {
      "aria-haspopup": "dialog",
    });
    return button;
  }

  /** A tool that was just used is replaced by its opposite: the focus stays in its place. @param {() => void} replace */
  #keepFocus(replace) {
    const root = /** @type {ShadowRoot} */ (this.element.getRootNode());
    const index = [...this.tools.children].indexOf(/** @type {Element} */ (root.activeElement));
    replace();
    if (index >= 0) /** @type {HTMLElement} */ (this.tools.children[index]).focus();
  }

  /** The whole entry opens it; buttons and other links inside mean themselves. @param {Event} event */
  #clicked(event) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("button, .choice")) return;
    this.open(event);
  }
}
