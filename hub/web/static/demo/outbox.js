/**
 * The outbox: what left the building, as the recording providers have it. An e-mail is shown as its reader would see it,
 * in a frame that may run nothing.
 */

import { h } from "./element.js";

const EVERY_MS = 1500;
const NAMES = { email: "E-mail", sms: "SMS", push: "Push" };

/** @typedef {{ id: string, provider: string, channel: "email" | "sms" | "push", to: string, title: string, text: string,
 *   accepted_at: string, html: boolean }} Message */

export class Outbox {
  #system;
  #place;
  #total;
  #newest = "";

  /** @param {HTMLElement} card @param {import("./system.js").System} system */
  constructor(card, system) {
    this.#system = system;
    this.#place = /** @type {HTMLElement} */ (card.querySelector("#outbox"));
    this.#total = /** @type {HTMLElement} */ (card.querySelector("#outbox-total"));
    this.#place.append(h("p", { class: "hint" }, "Nothing yet: publish over e-mail, SMS or push."));
    card.hidden = false;
  }

  /** Look into it, and again a moment later; while nobody looks at the page there is no need. */
  async watch() {
    const listing = document.hidden ? null : await this.#system.ask("/demo/outbox").catch(() => null);
    if (listing) this.#show(listing);
    setTimeout(() => void this.watch(), EVERY_MS);
  }

  /** @param {{ items: Message[], total: number }} listing */
  #show({ items, total }) {
    const newest = `${items[0]?.id} ${total}`;
    if (newest === this.#newest || items.length === 0) return;
    this.#newest = newest;
    this.#total.textContent = String(total);
    const shown = new Map([...this.#place.children].map((element) => [/** @type {HTMLElement} */ (element).dataset.id, element]));
    this.#place.replaceChildren(...items.map((item) => shown.get(item.id) ?? message(item)));
  }
}

/** @param {Message} item */
function message(item) {
  const { id, channel, provider, to, title, text, accepted_at } = item;
  const time = h("time", { datetime: accepted_at }, new Date(accepted_at).toLocaleTimeString());
  const line = h("div", { class: "line" }, h("span", { class: `tag ${channel}` }, NAMES[channel]), h("span", { class: "to" }, to), time);
  const words = title ? [h("strong", {}, title)] : [];
  const made = h("article", { "data-id": id, "data-channel": channel, title: provider }, line, ...words);
  if (item.html) made.append(mail(id, title));
  else made.append(h("p", {}, text));
  return made;
}

/** @param {string} id @param {string} title */
function mail(id, title) {
  const frame = () => h("iframe", { sandbox: "", src: `/demo/outbox/${id}`, title: `E-mail: ${title}`, loading: "lazy" });
  const details = h("details", {}, h("summary", {}, "Read it"));
  details.addEventListener("toggle", () => details.append(frame()), { once: true });
  return details;
}
