/**
 * `<hub-inbox>`: a user's notifications, live.
 *
 * Give it a hub: `element.hub = connect(…)`. It draws what the hub's lists say and hands clicks to `acts`; of its own it
 * only knows which tab and category are open. Several elements may share one hub. Where it can be seen, what it shows
 * counts as seen.
 */

import { actsOf } from "./acts.js";
import { blank } from "./blank.js";
import { Feed } from "./feed.js";
import { languageOf, watchLanguage } from "./language.js";
import { catalogued, speaker } from "./messages.js";
import { Notice } from "./notice.js";
import { Panel } from "./panel.js";
import { Preferences } from "./preferences.js";
import { Snackbar } from "./snackbar.js";
import { SnoozeMenu } from "./snooze.js";
import { inboxStyles } from "./styles.js";
import { Tabs } from "./tabs.js";

/**
 * @typedef {import("../hub.js").Hub} Hub
 * @typedef {import("../hub.js").List} List
 */

export class HubInbox extends HTMLElement {
  static observedAttributes = ["lang", "link-origins", "image-origins"];

  /** @type {Hub | null} */
  #hub = null;
  /** @type {Map<string, List>} */
  #lists = new Map();
  /** @type {List | undefined} */
  #list;
  #unlist = () => {};
  /** While it is in a page, and while it has a hub there. */
  #presence = new AbortController();
  #life = new AbortController();
  #category = "";
  /** @type {Set<string>} */
  #categories = new Set();
  #inSight = false;
  #seen = 0;
  /** @type {import("./entry.js").Context} */
  #context;
  #snackbar = new Snackbar();
  #menu = new SnoozeMenu();
  #notice = new Notice(() => this.#hub?.reconnect());
  #tabs = new Tabs(() => this.#open());
  #acts = actsOf({
    host: this,
    hub: () => /** @type {Hub} */ (this.#hub),
    context: () => this.#context,
    snackbar: this.#snackbar,
    menu: this.#menu,
  });
  #feed;
  #panel;
  #sight = new IntersectionObserver(([{ isIntersecting }]) => {
    this.#inSight = isIntersecting;
    this.#look();
  });

  constructor() {
    super();
    this.#context = this.#newContext("en");
    this.#feed = new Feed(this.#context);
    this.#panel = new Panel(
      {
        readAll: () => this.#acts.readAll(),
        preferences: (open) => this.#turn(open),
        category: (category) => this.#narrow(category),
        close: () => this.dispatchEvent(new Event("hub-close", { bubbles: true, composed: true })),
      },
      {
        notice: this.#notice.element,
        tabs: this.#tabs.element,
        feed: this.#feed.element,
        snackbar: this.#snackbar.element,
        voice: this.#snackbar.voice,
        menu: this.#menu.element,
      },
    );
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = inboxStyles();
    root.append(this.#panel.element);
  }

  /** The connected hub whose inbox is shown. */
  get hub() {
    return this.#hub;
  }

  set hub(hub) {
    if (hub === this.#hub) return;
    this.#detach();
    this.#hub = hub;
    if (this.isConnected) this.#attach();
  }

  /** Open a tab. @param {import("./tabs.js").Filter} filter */
  show(filter) {
    this.#turn(false);
    this.#tabs.select(filter);
  }

  /** Put the focus where reading begins. */
  focus() {
    this.#panel.title.focus({ preventScroll: true });
  }

  connectedCallback() {
    this.#presence = new AbortController();
    const { signal } = this.#presence;
    catalogued.addEventListener("change", () => this.#translate(), { signal });
    watchLanguage(() => this.#translate(), signal);
    document.addEventListener("visibilitychange", () => this.#look(), { signal });
    this.#feed.start();
    this.#sight.observe(this);
    this.#translate();
    this.#attach();
  }

  disconnectedCallback() {
    this.#presence.abort();
    this.#sight.disconnect();
    this.#feed.stop();
    this.#detach();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#translate();
  }

  // Its hub

  #attach() {
    const hub = this.#hub;
    if (!hub) return;
    this.#life = new AbortController();
    const { signal } = this.#life;
    const stop = hub.subscribe((state) => this.#showState(state));
    signal.addEventListener("abort", stop);
    hub.addEventListener("notification", ({ detail }) => this.#announce(detail), { signal });
    hub.addEventListener(
      "error",
      ({ detail }) => this.#snackbar.show(this.#context.say("refused", { reason: detail.message })),
      { signal },
    );
    this.#open();
  }

  #detach() {
    this.#life.abort();
    this.#unlist();
    for (const list of this.#lists.values()) list.close();
    this.#lists.clear();
    this.#categories.clear();
    this.#category = "";
    this.#seen = 0;
    this.#turn(false);
  }

  /** @param {import("../hub.js").HubState} state */
  #showState(state) {
    const { say, language } = this.#context;
    const { unread } = state;
    this.#tabs.show(say, unread > 99 ? "99+" : unread ? unread.toLocaleString(language) : "");
    this.#panel.readAll.disabled = unread === 0;
    this.#notice.show(state, say);
    this.#look();
  }

  /** What stands on a screen that somebody looks at is seen. */
  #look() {
    const { seq = 0, unseen = 0 } = this.#hub?.state ?? {};
    if (!this.#inSight || document.hidden || unseen === 0 || seq <= this.#seen) return;
    this.#seen = seq;
    this.#hub?.seen(seq);
  }

  /** @param {import("../hub.js").NotificationFrame} frame */
  #announce({ change, replayed, notification }) {
    if (change !== "created" || replayed || !this.#inSight) return;
    this.#snackbar.say(this.#context.say("arrived", { title: notification.title }));
  }

  // Its list

  /** Show the list of the open tab and category, which is kept up to date from then on. */
  #open() {
    if (!this.#hub) return;
    this.#unlist();
    this.#feed.clear();
    const filter = this.#tabs.selected;
    const key = `${filter} ${this.#category}`;
    this.#list = this.#lists.get(key) ?? this.#hub.list({ filter, category: this.#category || undefined });
    this.#lists.set(key, this.#list);
    this.#unlist = this.#list.subscribe((state) => this.#showList(state));
    this.#panel.list.setAttribute("aria-labelledby", `tab-${filter}`);
  }

  /** @param {import("../hub.js").ListState} state */
  #showList(state) {
    const load = () => void this.#list?.load();
    this.#feed.show(state.items, { ...state, load });
    this.#panel.blank.replaceChildren(...blank(state, this.#tabs.selected, this.#context.say, load));
    this.#offer(state.items);
  }

  /** @param {import("../hub.js").Notification[]} items */
  #offer(items) {
    const before = this.#categories.size;
    for (const { category } of items) this.#categories.add(category);
    if (this.#categories.size !== before || before === 0) this.#offerAll();
  }

  #offerAll() {
    this.#panel.offer([...this.#categories].sort(), this.#category, this.#context.say);
  }

  /** @param {string} category */
  #narrow(category) {
    this.#category = category;
    this.#offerAll();
    this.#open();
  }

  /** @param {boolean} open */
  #turn(open) {
    const { say } = this.#context;
    const told = (/** @type {string} */ text) => this.#snackbar.show(text);
    this.#panel.turn(open && this.#hub ? new Preferences(this.#hub, say, told).element : null, say);
    if (open) this.focus();
  }

  // Its language

  /** @param {string} language @returns {import("./entry.js").Context} */
  #newContext(language) {
    const base = document.baseURI;
    const listed = (/** @type {string} */ name) => (this.getAttribute(name) ?? "").split(/\s+/).filter(Boolean);
    const links = { base, origins: listed("link-origins") };
    const images = { base, origins: listed("image-origins") };
    return { say: speaker(language), language, links, images, act: this.#acts };
  }

  #translate() {
    this.#context = this.#newContext(languageOf(this));
    this.#feed.redraw(this.#context);
    this.#panel.translate(this.#context.say);
    this.#offerAll();
    if (!this.#hub) return;
    this.#showState(this.#hub.state);
    if (this.#list) this.#showList(this.#list.state);
  }
}
