/**
 * Put a popover beside the element that opened it, inside the window, in either writing direction.
 *
 * By script, through CSSOM, which a strict CSP allows: CSS anchor positioning is not everywhere yet.
 */

const GAP = 8;
const MARGIN = 8;

/**
 * @param {HTMLElement} floating already shown
 * @param {Element} anchor
 */
export function place(floating, anchor) {
  const box = anchor.getBoundingClientRect();
  const { width, height } = measure(floating);
  const rightToLeft = getComputedStyle(anchor).direction === "rtl";
  const left = rightToLeft ? box.left : box.right - width;
  const below = box.bottom + GAP;
  const above = box.top - GAP - height;
  const fits = below + height <= innerHeight - MARGIN || above < MARGIN;
  floating.style.left = `${clamp(left, innerWidth - width)}px`;
  floating.style.top = `${clamp(fits ? below : above, innerHeight - height)}px`;
  floating.style.transformOrigin = `${rightToLeft ? "left" : "right"} ${fits ? "top" : "bottom"}`;
}

/** The box as laid out: an opening animation scales what getBoundingClientRect sees. @param {HTMLElement} element */
const measure = ({ offsetWidth: width, offsetHeight: height }) => ({ width, height });

/** @param {number} value @param {number} room */
const clamp = (value, room) => Math.max(MARGIN, Math.min(value, room - MARGIN));
