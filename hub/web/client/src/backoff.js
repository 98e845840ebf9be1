/** When to try again: pure arithmetic, shared by the connection and by commands that wait for the network. */

const CAP_MS = 20_000;
const FIRST_MS = 500;

/**
 * Draw a wait in milliseconds. Full jitter: the clients of a node that died must not come back in step.
 * @param {number} attempt counted from 0
 */
export const jitter = (attempt) => Math.random() * Math.min(CAP_MS, FIRST_MS * 2 ** attempt);

/**
 * Read Retry-After (seconds, or a date) as milliseconds; 0 without one.
 * @param {Response} response
 */
export function retryAfter({ headers }) {
  const value = headers.get("Retry-After");
  if (!value) return 0;
  return Math.max(0, isNaN(+value) ? Date.parse(value) - Date.now() || 0 : +value * 1000);
}
