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

/**
 * Call back when the page's language changes, until the signal aborts.
 * @param {() => void} callback
 * @param {AbortSignal} signal
 */
export function watchLanguage(callback, signal) {
  const observer = new MutationObserver(callback);
  observer.observe(document.documentElement, { attributeFilter: ["lang"] });
  signal.addEventListener("abort", () => observer.disconnect());
}
