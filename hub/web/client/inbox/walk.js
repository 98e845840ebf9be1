/** Keys of an ARIA feed: arrows and Page keys go from entry to entry, Home and End to the ends, Enter opens. */

/** @param {Element[]} entries @returns {number} the one that holds the focus, or -1 */
export const focusedIndex = (entries) => entries.findIndex((entry) => entry.matches(":focus-within, :focus"));

/**
 * @param {KeyboardEvent} event
 * @param {HTMLElement[]} entries
 * @param {(entry: HTMLElement) => void} open
 */
export function walk(event, entries, open) {
  const at = focusedIndex(entries);
  if (event.key === "Enter" && event.target === entries[at]) return open(entries[at]);
  const to = goal(event.key, at, entries.length - 1);
  if (to === undefined || !entries[to]) return;
  event.preventDefault();
  entries[to].focus();
}

/** @param {string} key @param {number} at @param {number} last */
function goal(key, at, last) {
  if (key === "ArrowDown" || key === "PageDown") return at + 1;
  if (key === "ArrowUp" || key === "PageUp") return at - 1;
  if (key === "Home") return 0;
  return key === "End" ? last : undefined;
}
