/**
 * What just happened, at the foot of the panel for a while, with a way back; and the same for those who listen.
 *
 * Two elements, because a live region must be there, empty, before something is said in it, and must not contain the
 * button; where the browser has `ariaNotify` it stays empty. A snackbar that holds the focus or the pointer stays.
 */

import { h, setText } from "./dom.js";
import { play } from "./motion.js";

const SHOWN_MS = 6000;

export class Snackbar {
  #timer = 0;

  constructor() {
    /** @type {HTMLElement & { ariaNotify?: (text: string) => void }} */
    this.voice = h("div", { role: "status", class: "hidden" });
    this.element = h("div", { class: "snackbar", part: "snackbar", hidden: true });
  }

  /**
   * @param {string} text
   * @param {{ label: string, act: () => void }} [way] back
   */
  show(text, way) {
    this.say(text);
    const undo =
      way && h("button", { type: "button", class: "undo", onclick: () => (way.act(), this.hide()) }, way.label);
    this.element.replaceChildren(h("span", {}, text), ...(undo ? [undo] : []));
    this.element.hidden = false;
    play(this.element, "rise");
    this.#wait();
  }

  /** Say it to those who listen only. @param {string} text */
  say(text) {
    const { voice } = this;
    if (voice.ariaNotify) voice.ariaNotify(text);
    else setText(voice, voice.textContent === text ? `${text}\u00a0` : text); // the same again must be a change
  }

  hide() {
    clearTimeout(this.#timer);
    this.element.hidden = true;
  }

  #wait() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => (this.element.matches(":hover, :focus-within") ? this.#wait() : this.hide()),
      SHOWN_MS,
    );
  }
}
