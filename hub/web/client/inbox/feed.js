/**
 * The list on screen: entries by id in the order of the store, grouped by day, with paging at its end and a pill for
 * what arrived above while the user was reading further down.
 *
 * An ARIA feed: each entry is an article that can hold the focus, arrow keys walk over them. Invariant: an element
 * belongs to one notification for as long as that is listed, and is moved only where the order changed.
 */

import { animate, h, setText } from "./dom.js";
import { Entry } from "./entry.js";
import { icon } from "./icons.js";
import { stretch } from "./time.js";

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
    const focusAt = this.#focusedIndex();
    const letGo = this.#hold();
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
    const smooth = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.element.scrollTo({ top: 0, behavior: smooth ? "smooth" : "instant" });
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

  /**
   * Keep what is being read where it is while things change above it; return how to end that. Scroll anchoring would do
   * it by itself, but not in every browser and not beside a change of ours.
   */
  #hold() {
    if (this.element.scrollTop < AT_TOP) return () => {};
    const edge = this.element.getBoundingClientRect().top;
    const anchor = this.#list.find((element) => element.getBoundingClientRect().bottom > edge);
    const before = anchor?.getBoundingClientRect().top ?? 0;
    return () => {
      if (anchor?.isConnected) this.element.scrollTop += anchor.getBoundingClientRect().top - before;
    };
  }

  /** @param {HTMLElement} element */
  async #leave(element) {
    const above = element.getBoundingClientRect().bottom <= this.element.getBoundingClientRect().top;
    if (above) return element.remove();
    element.classList.add("leaving");
    element.inert = true;
    const { offsetHeight: height } = element;
    await animate(
      element,
      [
        { height: `${height}px`, opacity: 1 },
        { height: "0", opacity: 0 },
      ],
      180,
    );
    element.remove();
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
      if (!this.#fresh && item.created_seq > this.#seen) this.#enter(entry.element);
    }
    return entry;
  }

  /** @param {HTMLElement} element */
  #enter(element) {
    requestAnimationFrame(() =>
      animate(
        element,
        [
          { opacity: 0, transform: "translateY(-8px)" },
          { opacity: 1, transform: "none" },
        ],
        260,
      ),
    );
  }

  // What is new above

  /** @param {import("../hub.js").Notification[]} items */
  #countNews(items) {
    const newest = items[0]?.created_seq ?? 0;
    if (this.#fresh || this.element.scrollTop < AT_TOP) this.#seen = Math.max(this.#fresh ? 0 : this.#seen, newest);
    this.#showPill(items.filter(({ created_seq }) => created_seq > this.#seen).length);
  }

  /** @param {number} n */
  #showPill(n) {
    this.pill.hidden = n === 0;
    if (n > 0) this.pill.replaceChildren(icon("up"), this.#context.say("new_pill", { n }));
  }

  #scrolled() {
    if (this.element.scrollTop >= AT_TOP) return;
    const newest = [...this.#entries.values()].map(({ item }) => item.created_seq);
    this.#seen = Math.max(this.#seen, ...newest);
    this.#showPill(0);
  }

  // Keys

  get #list() {
    return /** @type {HTMLElement[]} */ ([...this.feed.querySelectorAll(".entry:not(.leaving)")]);
  }

  #focusedIndex() {
    return this.#list.findIndex((element) => element.matches(":focus-within, :focus"));
  }

  /** @param {number} index */
  #refocus(index) {
    const list = this.#list;
    (list[Math.min(index, list.length - 1)] ?? this.element).focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  #walk(event) {
    const list = this.#list;
    const at = this.#focusedIndex();
    const steps = {
      ArrowDown: at + 1,
      PageDown: at + 1,
      ArrowUp: at - 1,
      PageUp: at - 1,
      Home: 0,
      End: list.length - 1,
    };
    const to = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (event.key === "Enter" && event.target === list[at])
      return [...this.#entries.values()].find(({ element }) => element === list[at])?.open(event);
    if (to === undefined || !list[to]) return;
    event.preventDefault();
    list[to].focus();
  }
}
