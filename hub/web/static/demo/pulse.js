/**
 * The pulse: a bar for each of the last arrivals, as high as it took. For the eye only; the numbers stand beside it.
 *
 * SVG by attributes, because the page's CSP allows no inline style.
 */

const SVG = "http://www.w3.org/2000/svg";
const BEATS = 40;
const WIDTH = 4;
const HEIGHT = 32;
const LEAST = 2;
/** What a full bar stands for, unless something took longer. */
const FULL_MS = 100;

export class Pulse {
  /** @type {number[]} */
  #beats = [];

  constructor() {
    this.element = document.createElementNS(SVG, "svg");
    this.element.setAttribute("viewBox", `0 0 ${BEATS * WIDTH} ${HEIGHT}`);
    this.element.setAttribute("aria-hidden", "true");
  }

  /** @param {number} milliseconds */
  beat(milliseconds) {
    this.#beats = [...this.#beats, milliseconds].slice(-BEATS);
    const full = Math.max(FULL_MS, ...this.#beats);
    const first = BEATS - this.#beats.length;
    this.element.replaceChildren(...this.#beats.map((took, index) => bar(first + index, took / full)));
  }
}

/** @param {number} place @param {number} share of the full height */
function bar(place, share) {
  const height = Math.max(LEAST, share * HEIGHT);
  const made = document.createElementNS(SVG, "rect");
  const box = { x: place * WIDTH, y: HEIGHT - height, width: WIDTH - 1, height, rx: 1 };
  for (const [name, value] of Object.entries(box)) made.setAttribute(name, String(value));
  return made;
}
