/**
 * `<hub-bell>`: a bell with a badge, and behind it an inbox.
 *
 * The inbox stands in a native popover: in the top layer whatever the page's stacking, closed by Escape or a click
 * outside, with the focus given back. On a small screen it is a sheet. The badge counts what is unread, or with
 * `count="unseen"` what arrived since the inbox was last looked at.
 */

import { h, setText } from "./dom.js";
import { icon } from "./icons.js";
import { HubInbox } from "./element.js";
import { languageOf, watchLanguage } from "./language.js";
import { catalogued, speaker } from "./messages.js";
import { play } from "./motion.js";
import { place } from "./place.js";
import { bellStyles } from "./styles.js";

const MOST = 99;
/** What the inbox inside is told. */
const PASSED_ON = ["lang", "theme", "link-origins", "image-origins"];

export class HubBell extends HTMLElement {
  static observedAttributes = ["count", ...PASSED_ON];

  /** @type {import("../hub.js").Hub | null} */
  #hub = null;
  #stop = () => {};
  #life = new AbortController();
  #hadFocus = false;
  #count = 0;
  #badge = h("span", { class: "badge", part: "badge", hidden: true, "aria-hidden": "true" });
  #button = h(
    "button",
    {
      type: "button",
      class: "bell",
      part: "bell",
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
      onclick: () => this.toggle(),
    },
    h("slot", { name: "icon" }, icon("bell")),
    this.#badge,
  );
  #inbox = /** @type {HubInbox} */ (document.createElement("hub-inbox"));
  #popover = h("div", { popover: "auto", role: "dialog", class: "popover", part: "popover" }, this.#inbox);

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = bellStyles();
    root.append(this.#button, this.#popover);
    this.#popover.addEventListener("beforetoggle", () => (this.#hadFocus = this.#popover.matches(":focus-within")));
    this.#popover.addEventListener("toggle", (event) =>
      this.#toggled(/** @type {ToggleEvent} */ (event).newState === "open"),
    );
    root.addEventListener("hub-close", () => this.#popover.hidePopover());
    this.#inbox.setAttribute("exportparts", EXPORTED);
    this.#inbox.toggleAttribute("closable", true);
  }

  /** The connected hub whose inbox is shown. */
  get hub() {
    return this.#hub;
  }

  set hub(hub) {
    this.#stop();
    this.#hub = hub;
    this.#inbox.hub = hub;
    if (this.isConnected) this.#attach();
  }

  /** Whether the inbox is open. */
  get open() {
    return this.#popover.matches(":popover-open");
  }

  /** Open the inbox, or close it. */
  toggle() {
    this.#popover.togglePopover();
  }

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    catalogued.addEventListener("change", this.#show, { signal });
    addEventListener("resize", this.#place, { signal });
    watchLanguage(this.#show, signal);
    this.#attach();
  }

  disconnectedCallback() {
    this.#life.abort();
    this.#stop();
  }

  /** @param {string} name @param {string | null} _old @param {string | null} value */
  attributeChangedCallback(name, _old, value) {
    if (PASSED_ON.includes(name)) this.#inbox.toggleAttribute(name, value !== null);
    if (PASSED_ON.includes(name) && value !== null) this.#inbox.setAttribute(name, value);
    this.#show();
  }

  #attach() {
    this.#stop = this.#hub?.subscribe(this.#show) ?? (() => {});
    this.#show();
  }

  #show = () => {
    const count = this.#hub?.state[this.getAttribute("count") === "unseen" ? "unseen" : "unread"] ?? 0;
    const language = languageOf(this);
    const say = speaker(language);
    setText(this.#badge, count > MOST ? `${MOST.toLocaleString(language)}+` : count.toLocaleString(language));
    this.#badge.hidden = count === 0;
    this.#button.ariaLabel = say("bell", { n: count });
    this.#popover.ariaLabel = say("notifications");
    if (count > this.#count) play(this.#badge, "pop");
    this.#count = count;
  };

  /** @param {boolean} open */
  #toggled(open) {
    this.#button.ariaExpanded = String(open);
    this.#place();
    if (open) this.#inbox.focus();
    else if (this.#hadFocus) this.#button.focus(); // not every browser finds back through two shadow roots
    this.dispatchEvent(new CustomEvent("hub-toggle", { detail: { open }, bubbles: true, composed: true }));
  }

  #place = () => {
    if (this.open) place(this.#popover, this.#button);
  };
}

/** The parts of the inbox, styled through the bell under the same names. */
const EXPORTED =
  "panel, header, title, tabs, tab, tab-selected, count, filter, list, entry, mark, icon, dot, time, body, meta, actions, " +
  "action, tools, day, pill, notice, snackbar, menu, empty, error, preferences, grid, switch, quiet-hours, read-all, settings";
