/**
 * A user's changes on their way to the hub: shown at once, sent in order, taken back if they are refused.
 *
 * A change lives through three states: waiting (`seq` is Infinity; without a network it waits here), accepted (the
 * answer named its seq; the patch stays until the frames up to there have come, so nothing flickers), forgotten. Each
 * call of the API is idempotent, so a lost answer is repeated. Kept in memory: a tab closed while offline takes its
 * changes along, which costs the user a click and spares everyone a stale change replayed days later.
 */

import { jitter } from "./backoff.js";

/**
 * @typedef {import("./inbox.js").Item} Item
 * @typedef {import("../hub.js").Counts} Counts
 *
 * @typedef {object} Request
 * @property {string} path below /v1/inbox/
 * @property {string} [method]
 * @property {object} [body]
 * @property {(item: Item) => Partial<Item> | false} patch what it makes of an item
 * @property {boolean} [quiet] nothing the user did knowingly
 *
 * @typedef {Request & {
 *   seq: number, resolve: (counts: Counts) => void, reject: (error: unknown) => void
 * }} Change
 *
 * @typedef {object} Owner
 * @property {(request: Request) => Promise<Counts>} send
 * @property {(counts: Counts) => void} accepted
 * @property {(error: unknown) => void} refused
 * @property {() => void} changed something to show
 */

export class Changes {
  #owner;
  /** @type {Change[]} */
  #pending = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #attempt = 0;
  #sending = false;

  /** @param {Owner} owner */
  constructor(owner) {
    this.#owner = owner;
  }

  /** How many of the user's the hub has not answered. */
  get waiting() {
    return this.#pending.filter((change) => isWaiting(change) && !change.quiet).length;
  }

  /**
   * Make a change; the promise settles with the hub's answer, and may be left alone.
   * @param {Request} request
   * @returns {Promise<Counts>}
   */
  make(request) {
    /** @type {Promise<Counts>} */
    const answer = new Promise((resolve, reject) => {
      this.#pending.push({ ...request, seq: Infinity, resolve, reject });
    });
    answer.catch(() => {}); // whoever does not await it hears of a refusal by the event
    this.#owner.changed();
    this.send();
    return answer;
  }

  /** Show an item as it will be. @type {(item: Item) => Item} */
  overlay = (item) => this.#pending.reduce((seen, { patch }) => ({ ...seen, ...patch(seen) }), item);

  /**
   * Forget what has come back as a frame.
   * @param {number} seq
   */
  settle(seq) {
    this.#pending = this.#pending.filter((change) => change.seq > seq);
  }

  /** Send what waits, one after the other. */
  async send() {
    if (this.#sending) return;
    this.#sending = true;
    clearTimeout(this.#timer);
    let change;
    while ((change = this.#pending.find(isWaiting)) && (await this.#deliver(change)));
    this.#sending = false;
  }

  close() {
    clearTimeout(this.#timer);
    this.#pending = [];
  }

  /** @param {Change} change @returns {Promise<boolean>} whether to go on with the next */
  async #deliver(change) {
    try {
      const counts = await this.#owner.send(change);
      change.seq = counts.seq;
      change.resolve(counts);
      this.#attempt = 0;
      this.#owner.accepted(counts);
    } catch (error) {
      if (isTemporary(error)) return this.#postpone(error);
      change.seq = -1;
      change.reject(error);
      this.#owner.refused(error);
    }
    this.#owner.changed();
    return true;
  }

  /** @param {any} error */
  #postpone({ after = 0 }) {
    this.#timer = setTimeout(() => this.send(), Math.max(after, jitter(this.#attempt++)));
    return false;
  }
}

/** @param {Change} change */
const isWaiting = (change) => change.seq === Infinity;

/** No answer, or one that says "later". @param {any} error */
const isTemporary = ({ status }) => !(status < 500) || status === 429;
