/**
 * What this browser remembers between visits: the cursor of each user, and whether WebSocket was seen to fail.
 *
 * Storage may be forbidden (sandboxed frames), full, or absent (Node): then nothing is remembered and nothing breaks,
 * because a client without a cursor starts from a snapshot.
 */

/** @param {string} key */
export function recall(key) {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

/**
 * @param {string} key
 * @param {string | number} value
 */
export function remember(key, value) {
  try {
    localStorage.setItem(key, String(value));
  } catch {
    // see above
  }
}
