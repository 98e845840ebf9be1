/** What moves: arrivals, departures and small accents; nothing, if the user asked for less motion. */

/** @type {Record<string, Keyframe[]>} */
const FRAMES = {
  enter: [{ opacity: 0, transform: "translateY(-8px)" }, {}],
  rise: [{ opacity: 0, transform: "translateY(8px)" }, {}],
  pop: [{ transform: "scale(.6)" }, { transform: "scale(1.15)" }, {}],
};

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Play one of the motions.
 * @param {Element} element
 * @param {"enter" | "rise" | "pop"} name
 */
export const play = (element, name) => animate(element, FRAMES[name], 240);

/** Fold an element away and remove it. @param {HTMLElement} element */
export async function foldAway(element) {
  element.inert = true;
  await animate(element, [{ height: `${element.offsetHeight}px` }, { height: "0", opacity: 0 }], 180);
  element.remove();
}

/** @param {Element} element @param {Keyframe[]} frames @param {number} duration in milliseconds */
async function animate(element, frames, duration) {
  if (calm()) return;
  // It rejects when the element leaves the page half-way, which ends it just as well.
  await element.animate(frames, { duration, easing: "cubic-bezier(.2, .7, .2, 1)" }).finished.catch(() => {});
}
