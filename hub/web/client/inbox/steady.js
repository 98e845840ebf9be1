/**
 * Keep what is being read where it is while a list changes above it.
 *
 * Scroll anchoring would do it by itself, but not in every browser and not beside changes of ours, so it is switched off.
 */

/**
 * Remember where the first visible entry stands; call what is returned after the change.
 * @param {HTMLElement} scroller
 * @param {Element[]} entries
 */
export function hold(scroller, entries) {
  const edge = scroller.getBoundingClientRect().top;
  const anchor = entries.find((entry) => entry.getBoundingClientRect().bottom > edge);
  const before = anchor?.getBoundingClientRect().top ?? 0;
  return () => {
    const moved = anchor?.isConnected ? anchor.getBoundingClientRect().top - before : 0;
    if (moved) scroller.scrollTop += moved; // even setting the same value would end a smooth scroll
  };
}

/** Whether an entry ends above what can be seen. @param {Element} entry @param {HTMLElement} scroller */
export const isAbove = (entry, scroller) =>
  entry.getBoundingClientRect().bottom <= scroller.getBoundingClientRect().top;
