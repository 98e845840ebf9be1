/**
 * The list on screen: entries by id in the order of the store, grouped by day, with paging at its end and a pill for
 * what arrived above while the user was reading further down.
 *
 * An ARIA feed: each entry is an article that can hold the focus, arrow keys walk over them. Invariant: an element
 * belongs to one notification for as long as that is listed, and is moved only where the order changed.
 */

import { h, setText } from "./dom.js";
import { Entry } from "./entry.js";
import { icon } from "./icons.js";
import { calm, foldAway, play } from "./motion.js";
import { hold, isAbove } from "./steady.js";
import { stretch } from "./time.js";
import { focusedIndex, walk } from "./walk.js";

const AT_TOP = 24;
const AHEAD = "400px";
const TICK_MS = 30_000;

/** @typedef {import("./entry.js").Context} Context */

export class Feed {
  #context;
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  #seen = 0;
  #fresh = true;
  #more = () => {};
  #timer = 0;

  /** @param {Context} context */
  constructor(context) {
    this.#context = context;
    this.feed = h("div", {
      role: "feed",
      class: "feed",
      part: "list",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#walk(event),
    });
    this.tail = h("div", { class: "tail" });
    this.pill = h("button", { type: "button", class: "pill", part: "pill", hidden: true, onclick: () => this.toTop() });
    this.element = h(
      "div",
      { class: "scroller", part: "scroller", onscroll: () => this.#scrolled() },
      this.pill,
      this.feed,
      this.tail,
    );
    this.#observer = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && this.#more(), {
      root: this.element,
      rootMargin: AHEAD,
    });
  }

  #observer;

  start() {
    this.#observer.observe(this.tail);
    this.#timer = setInterval(() => this.#entries.forEach((entry) => entry.tick()), TICK_MS);
  }

  stop() {
    this.#observer.disconnect();
    clearInterval(this.#timer);
  }

  /** Forget what is shown: the next items are another list, and nothing of it is news. */
  clear() {
    for (const entry of this.#entries.values()) entry.element.remove();
    this.#entries.clear();
    this.#fresh = true;
    this.element.scrollTop = 0;
    this.#showPill(0);
  }

  /** Begin again in another language. @param {Context} context */
  redraw(context) {
    this.#context = context;
    this.clear();
  }

  /**
   * Show these items.
   * @param {import("../hub.js").Notification[]} items newest first
   * @param {{ more: boolean, loading: boolean, error: Error | null, load: () => void }} paging
   */
  show(items, { more, loading, error, load }) {
    const next = more && !loading && !error;
    this.#more = next ? load : () => {};
    this.#end(items.length > 0 && loading, items.length > 0 && error, load);
    const focusAt = focusedIndex(this.#list);
    const letGo = this.#atTop ? () => {} : hold(this.element, this.#list);
    const leaving = this.#dropMissing(new Set(items.map(({ id }) => id)));
    this.#order(items, more);
    letGo();
    this.feed.role = items.length ? "feed" : "presentation"; // a feed must have articles
    this.feed.ariaBusy = String(loading);
    if (leaving) this.#refocus(focusAt);
    this.#countNews(items);
    this.#fresh = false;
    if (next) this.#watchTail();
  }

  /** @param {boolean} loading @param {Error | false | null} error @param {() => void} load */
  #end(loading, error, load) {
    const { say } = this.#context;
    const again = h("button", { type: "button", class: "choice", onclick: load }, say("try_again"));
    if (error) this.tail.replaceChildren(h("span", { role: "alert" }, say("failed")), again);
    else this.tail.replaceChildren(...(loading ? [h("span", { class: "spinner" })] : []));
  }

  /** The observer speaks of crossings only: after a page that did not fill the view it must look again. */
  #watchTail() {
    this.#observer.unobserve(this.tail);
    this.#observer.observe(this.tail);
  }

  toTop() {
    this.#acknowledge();
    this.element.scrollTo({ top: 0, behavior: calm() ? "instant" : "smooth" });
    /** @type {HTMLElement | null} */ (this.feed.querySelector(".entry"))?.focus({ preventScroll: true });
  }

  /** @param {Set<string>} kept @returns {boolean} whether the focus was on one that goes */
  #dropMissing(kept) {
    let focus = false;
    for (const [id, { element }] of this.#entries) {
      if (kept.has(id)) continue;
      this.#entries.delete(id);
      focus ||= element.matches(":focus-within, :focus");
      this.#leave(element);
    }
    return focus;
  }

  /** @param {HTMLElement} element */
  #leave(element) {
    if (isAbove(element, this.element)) return element.remove(); // folding it would move what is being read
    element.classList.add("leaving");
    foldAway(element);
  }

  /** @param {import("../hub.js").Notification[]} items @param {boolean} more */
  #order(items, more) {
    let day = "";
    /** @type {Element | null} */
    let place = this.#firstKept();
    items.forEach((item, index) => {
      const entry = this.#entry(item);
      if (entry.element === place) place = this.#nextKept(place);
      else this.feed.insertBefore(entry.element, place);
      const group = stretch(new Date(item.created_at), new Date());
      setText(entry.day, group === day ? "" : this.#context.say(group)); // for the eye: every entry has its time
      day = group;
      entry.element.ariaPosInSet = String(index + 1);
      entry.element.ariaSetSize = String(more ? -1 : items.length);
      entry.element.tabIndex = index === 0 ? 0 : -1;
    });
  }

  #firstKept() {
    return this.#skipLeaving(this.feed.firstElementChild);
  }

  /** @param {Element} element */
  #nextKept(element) {
    return this.#skipLeaving(element.nextElementSibling);
  }

  /** @param {Element | null} element */
  #skipLeaving(element) {
    while (element?.classList.contains("leaving")) element = element.nextElementSibling;
    return element;
  }

  /** @param {import("../hub.js").Notification} item */
  #entry(item) {
    let entry = this.#entries.get(item.id);
    if (entry) entry.update(item);
    else {
      entry = new Entry(item, this.#context);
      this.#entries.set(item.id, entry);
      const arrived = entry.element;
      if (!this.#fresh && item.created_seq > this.#seen) requestAnimationFrame(() => play(arrived, "enter"));
    }
    return entry;
  }

  // What is new above

  get #atTop() {
    return this.element.scrollTop < AT_TOP;
  }

  /** @param {import("../hub.js").Notification[]} items */
  #countNews(items) {
    const newest = items[0]?.created_seq ?? 0;
    if (this.#fresh || this.#atTop) this.#seen = Math.max(this.#fresh ? 0 : this.#seen, newest);
    this.#showPill(items.filter(({ created_seq }) => created_seq > this.#seen).length);
  }

  /** @param {number} n */
  #showPill(n) {
    this.pill.hidden = n === 0;
    if (n > 0) this.pill.replaceChildren(icon("up"), this.#context.say("new_pill", { n }));
  }

  #scrolled() {
    if (this.#atTop) this.#acknowledge();
  }

  #acknowledge() {
    const newest = [...this.#entries.values()].map(({ item }) => item.created_seq);
    this.#seen = Math.max(this.#seen, ...newest);
    this.#showPill(0);
  }

  // Keys

  get #list() {
    return /** @type {HTMLElement[]} */ ([...this.feed.querySelectorAll(".entry:not(.leaving)")]);
  }

  /** @param {number} index */
  #refocus(index) {
    const list = this.#list;
    (list[Math.min(index, list.length - 1)] ?? this.element).focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    walk(event, this.#list, (element) => {
      [...this.#entries.values()].find((entry) => entry.element === element)?.open(event);
    });
  }
}
