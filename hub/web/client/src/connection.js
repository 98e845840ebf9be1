/**
 * One connection that heals: it chooses the transport, watches for silence, and comes back as the close code says.
 *
 * Owned by the leading tab's `Hub`, which gives it credentials and takes its frames. Invariant: at most one stream is
 * open, and what an older one still says is ignored (`#turn`). It never decides from `navigator.onLine`, which is wrong
 * behind VPNs and on machines whose only network is themselves; that only names the state.
 */

import { jitter } from "./backoff.js";
import { verdict } from "./closing.js";
import { recall, remember } from "./memory.js";
import { openEventStream, openWebSocket } from "./transport.js";

const DAY_MS = 864e5;
const HANDSHAKE_MS = 10_000;
/** A connection that lasted this long was a good one: its loss starts a new count of attempts. */
const STEADY_MS = 5000;

/**
 * @typedef {"websocket" | "sse"} Transport
 *
 * @typedef {object} Owner
 * @property {string} key names what is remembered
 * @property {Transport | "auto"} transport
 * @property {(transport: Transport) => Promise<Pick<import("./transport.js").Opening, "url" | "query" | "token" | "credentials">>} prepare
 * @property {() => Promise<string | undefined>} renew
 * @property {(frame: any, transport: Transport) => void} receive
 * @property {(state: Partial<import("../hub.js").HubState>) => void} report
 */

export class Connection {
  #owner;
  /** @type {import("./transport.js").Stream | undefined} */
  #stream;
  /** @type {Transport} */
  #transport = "websocket";
  /** @type {"idle" | "connecting" | "live" | "waiting" | "stopped"} */
  #phase = "idle";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #turn = 0;
  #attempt = 0; // losses in a row, for the backoff
  #misses = 0; // streams in a row that never said hello, for the choice of transport
  #refusals = 0; // tokens refused in a row
  #socketWorks = false;
  #retryMs = 0;
  #earliest = 0; // the server asked to be left alone until then
  #since = 0;
  #heard = 0;
  #pingMs = 25_000;

  /** @param {Owner} owner */
  constructor(owner) {
    this.#owner = owner;
  }

  /** Connect now, whatever went before. */
  async open() {
    this.close();
    const turn = this.#turn;
    /** @template T @param {(value: T) => void} act @returns {(value: T) => void} */
    const mine = (act) => (value) => turn === this.#turn && act(value);
    this.#since = 0;
    this.#phase = "connecting";
    this.#owner.report({ connection: "connecting" });
    this.#watch(HANDSHAKE_MS);
    this.#transport = this.#choose();
    const ended = mine((/** @type {import("./transport.js").End} */ end) => this.#ended(end));
    try {
      const opening = await this.#owner.prepare(this.#transport);
      if (turn !== this.#turn) return;
      const open = this.#transport === "sse" ? openEventStream : openWebSocket;
      const receive = mine((/** @type {string} */ text) => this.#hear(text));
      this.#stream = open({
        ...opening,
        receive,
        retry: (ms) => (this.#retryMs = ms),
        ended,
      });
    } catch (error) {
      ended({ reason: String(error) });
    }
  }

  /** Somebody looks, or the network is back: make sure that this is not a dead connection, or wait no longer. */
  wake() {
    const silent = Date.now() - this.#heard > this.#pingMs + 1000;
    if (this.#phase === "live" && silent) this.open();
    if (this.#phase === "waiting" && Date.now() >= this.#earliest) this.open();
  }

  /** The browser says that the network is gone. */
  lose() {
    if (this.#phase === "live" || this.#phase === "connecting") this.#ended({});
  }

  /** End it without a word to the owner. */
  close() {
    this.#turn++;
    this.#phase = "idle";
    clearTimeout(this.#timer);
    this.#stream?.close();
    this.#stream = undefined;
  }

  /** WebSocket first; SSE where that was seen to fail, which is remembered for a day. */
  #choose() {
    if (this.#owner.transport !== "auto") return this.#owner.transport;
    if (this.#socketWorks) return this.#misses % 4 === 3 ? "sse" : "websocket";
    const failed = +recall(`${this.#owner.key} sse`) > Date.now() - DAY_MS;
    return (this.#misses + +failed) % 2 ? "sse" : "websocket";
  }

  /** @param {number} ms */
  #watch(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ended({}), ms);
  }

  /** @param {string} text */
  #hear(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return this.#ended({ reason: "unreadable frame" }); // going on would skip it; the resume brings it again
    }
    this.#heard = Date.now();
    if (frame.t === "hello") this.#greeted(frame);
    if (this.#since) this.#watch(this.#pingMs * 1.2 + 3000);
    if (frame.t === "ping") this.#stream?.send({ t: "pong", seq: frame.seq });
    if (frame.t === "bye") this.#ended({ ...frame, after: frame.after_ms });
    else if (frame.t === "token" && frame.state === "expiring") this.#refresh();
    else this.#owner.receive(frame, this.#transport);
  }

  /** @param {{ ping_seconds: number }} hello */
  #greeted({ ping_seconds }) {
    this.#since = this.#heard;
    this.#phase = "live";
    this.#pingMs = ping_seconds * 1000;
    this.#misses = this.#refusals = 0;
    this.#socketWorks ||= this.#transport === "websocket";
    if (this.#owner.transport === "auto") remember(`${this.#owner.key} sse`, this.#socketWorks ? 0 : this.#heard);
  }

  /** SSE cannot be refreshed: it is closed at expiry and comes back with a new token. */
  async #refresh() {
    if (this.#transport === "sse") return;
    const turn = this.#turn;
    try {
      const token = await this.#owner.renew();
      if (turn === this.#turn) this.#stream?.send({ t: "refresh", token });
    } catch {
      // the server closes at expiry with 4301, and that is handled
    }
  }

  /** @param {import("./transport.js").End} end */
  #ended({ code = 0, after, reconnect = true, reason = "" }) {
    const steady = this.#since > 0 && Date.now() - this.#since > STEADY_MS;
    const next = reconnect ? verdict(code) : "stop";
    this.close();
    if (!this.#since) this.#misses++;
    if (steady) this.#attempt = 0;
    if (next === "renew") this.#refusals++;
    if (next === "stop" || this.#refusals > 1) {
      this.#phase = "stopped";
      this.#owner.report({ connection: "stopped", code, reason });
      return;
    }
    // A server that sends everybody away at once must not be met by a tight loop: only a steady connection skips it.
    const told = next === "return" && steady && after !== undefined;
    const wait = told ? after : Math.max(after ?? 0, this.#retryMs, jitter(this.#attempt++));
    this.#wait(wait, after ?? 0, { code, reason });
  }

  /**
   * @param {number} ms
   * @param {number} atLeast
   * @param {{ code: number, reason: string }} cause
   */
  #wait(ms, atLeast, cause) {
    this.#phase = "waiting";
    this.#earliest = Date.now() + atLeast;
    this.#timer = setTimeout(() => this.open(), ms);
    const connection = globalThis.navigator?.onLine === false ? "offline" : "waiting";
    this.#owner.report({ connection, ...cause, retry_at: Date.now() + ms });
  }
}
