/** The language an element is in: its own `lang`, or that of what it stands in, across shadow roots; else the browser's. */

/** @param {Element} element */
export function languageOf(element) {
  /** @type {Element | null} */
  let place = element;
  while (place) {
    const found = place.closest("[lang]")?.getAttribute("lang");
    if (found) return found;
    const root = place.getRootNode();
    place = root instanceof ShadowRoot ? root.host : null;
  }
  return navigator.language;
}
