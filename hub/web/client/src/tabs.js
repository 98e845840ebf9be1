/**
 * The tabs of one user in one browser: exactly one of them leads, and the others hear what it says.
 *
 * Whoever holds the Web Lock leads, so when the leading tab goes, however it goes, the browser hands the lock to the
 * next one at once. A leader that is frozen keeps its lock and says nothing: a tab that somebody looks at, and that gets
 * no answer, steals it. Without Web Locks (Node, old browsers, opaque origins) every tab leads its own.
 */

const ANSWER_MS = 2000;

/**
 * @typedef {object} Owner
 * @property {() => void} lead
 * @property {() => void} follow the lead was lost to another tab
 * @property {() => object} greet what a tab that asks is told
 * @property {(message: any) => void} hear what the leader says
 * @property {() => number} silence milliseconds after which a silent leader is given up
 */

export class Tabs {
  leading = false;
  #owner;
  #name;
  #closed = false;
  /** @type {BroadcastChannel | undefined} */
  #channel;
  /** @type {((value?: unknown) => void) | undefined} */
  #release;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} name the same for all tabs of one user on one hub
   * @param {Owner} owner
   */
  constructor(name, owner) {
    this.#name = name;
    this.#owner = owner;
  }

  /** Become a follower at once, and the leader as soon as nobody else is. */
  join() {
    if (!globalThis.navigator?.locks) return this.#lead();
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#queue();
    this.ask();
  }

  /** Say something to the others; only the leader has something to say. @param {object} message */
  tell(message) {
    if (this.leading) this.#channel?.postMessage(message);
  }

  /** Ask the leader where it is, and take its place if it does not answer. */
  ask() {
    if (this.leading || !this.#channel) return;
    this.#channel.postMessage({ ask: true });
    this.#expect(ANSWER_MS);
  }

  /** Lead, whoever else does. */
  take() {
    if (this.leading) return;
    if (this.#channel) this.#queue({ steal: true });
    else this.#lead();
  }

  /** Stop leading and leave it to the others. */
  resign() {
    this.leading = false;
    this.#release?.();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.resign();
    this.#channel?.close();
  }

  /** @param {LockOptions} options */
  #queue(options = {}) {
    navigator.locks.request(this.#name, options, () => this.#term()).catch((error) => this.#deposed(error));
  }

  /** Hold the lock until `resign`. A place in the queue left over from before is given back at once. */
  #term() {
    if (this.#closed || this.leading) return undefined;
    const term = new Promise((resolve) => (this.#release = resolve));
    this.#lead();
    return term;
  }

  /** @param {DOMException} error */
  #deposed({ name }) {
    if (this.#closed) return;
    if (name !== "AbortError") return this.#lead(); // locks are refused here, in an opaque origin for one
    this.leading = false;
    this.#owner.follow();
    this.#queue();
    this.ask();
  }

  #lead() {
    this.leading = true;
    clearTimeout(this.#timer);
    this.#owner.lead();
  }

  /** @param {{ ask?: true }} message */
  #hear(message) {
    if (message.ask) return this.tell(this.#owner.greet());
    if (this.leading) return; // the last words of a leader we have just replaced
    this.#owner.hear(message);
    this.#expect(this.#owner.silence()); // only now: it may just have heard how long that is
  }

  /** @param {number} ms */
  #expect(ms) {
    clearTimeout(this.#timer);
    // Hidden tabs wait: nobody looks at them, and their timers are slow.
    this.#timer = setTimeout(() => (globalThis.document?.hidden ? this.#expect(ms) : this.take()), ms);
  }
}
