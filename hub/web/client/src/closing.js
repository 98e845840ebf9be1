/**
 * What the end of a connection means: the close codes of hub.v1, where the range is the contract.
 *
 * A refused stream is read the same way: its HTTP status stands for the code a WebSocket would have been closed with.
 */

/** @typedef {"stop" | "back off" | "return" | "renew"} Verdict */

/** Ranges, by hundreds. @type {Record<number, Verdict>} */
const RANGES = { 40: "stop", 41: "back off", 42: "return", 43: "renew" };

/** Going away and service restart are a drain without a word; 1011 is a server that missed our pong (RFC 6455, 7.4). */
const LIKE_A_DRAIN = [1001, 1011, 1012];

/**
 * Say what a client does next. Anything unknown, 1006 above all, is a lost network.
 * @param {number} code
 * @returns {Verdict}
 */
export const verdict = (code) =>
  LIKE_A_DRAIN.includes(code) ? "return" : (RANGES[Math.floor(code / 100)] ?? "back off");

/**
 * Translate an HTTP status; what a proxy may answer while a node restarts is no reason to stop.
 * @param {number} status
 */
export const codeOf = (status) => ({ 400: 4000, 401: 4302, 403: 4003 })[status] ?? 0;
