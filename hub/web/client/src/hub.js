/**
 * hub.v1 for browsers: one connection per user and browser, an inbox that is never stale, changes that show at once.
 *
 * `Hub` is what an application holds and the only place where the parts meet: `Tabs` says who is connected, `Connection`
 * brings frames, `Inbox` applies them, `List` shows them, `Changes` sends the user's own. What the leading tab receives
 * it repeats to the others, which treat it exactly like frames of their own. Commands go over HTTP from any tab: one
 * path for both transports, idempotent, and it can wait for the network.
 *
 * Public types and what callers must know are in ../hub.d.ts. This module runs in a browser as it is; ../hub.js is the
 * same in one small file (`npm run build`).
 *
 * @typedef {import("../hub.js").HubState} HubState
 */

import { jitter } from "./backoff.js";
import { Changes } from "./changes.js";
import { Connection } from "./connection.js";
import { Inbox } from "./inbox.js";
import { List } from "./list.js";
import { recall, remember } from "./memory.js";
import { Observable } from "./observable.js";
import { Session } from "./session.js";
import { Tabs } from "./tabs.js";
import * as verbs from "./verbs.js";

const NEW_TOKEN = 4300;

/** @extends {Observable<HubState>} */
class Hub extends Observable {
  /** @type {import("../hub.js").Options & { pageSize: number }} */
  #options;
  #session;
  #inbox = new Inbox();
  #changes = new Changes({
    send: ({ method = "POST", path, body }) => this.request(method, `/v1/inbox/${path}`, body),
    accepted: (counts) => this.#inbox.count(counts),
    refused: (error) => this.emit("error", error),
    changed: () => this.#changed(),
  });
  /** @type {Set<List>} */
  #lists = new Set();
  /** @type {Connection | undefined} */
  #connection;
  /** @type {Tabs | undefined} */
  #tabs;
  #key = "";
  #life = new AbortController();
  #changing = false;

  /** @param {import("../hub.js").Options} options */
  constructor(options) {
    super({ connection: "connecting", leader: false, seq: 0, unread: 0, unseen: 0, queued: 0 });
    this.#options = { pageSize: 20, ...options };
    this.#session = new Session(options);
    this.#listen();
    this.#start();
  }

  // What a user does

  read = (/** @type {string} */ id) => this.#changes.make(verbs.read(id));
  unread = (/** @type {string} */ id) => this.#changes.make(verbs.unread(id));
  archive = (/** @type {string} */ id) => this.#changes.make(verbs.archive(id));
  unarchive = (/** @type {string} */ id) => this.#changes.make(verbs.unarchive(id));
  unsnooze = (/** @type {string} */ id) => this.#changes.make(verbs.unsnooze(id));
  remove = (/** @type {string} */ id) => this.#changes.make(verbs.remove(id));
  snooze = (/** @type {string} */ id, /** @type {Date | string} */ until) =>
    this.#changes.make(verbs.snooze(id, until));
  readAll = (up_to = this.#inbox.seq) => this.#changes.make(verbs.readAll(up_to));
  seen = (up_to = this.#inbox.seq) => this.#changes.make(verbs.seen(up_to));
  archiveRead = () => this.#changes.make(verbs.archiveRead());

  // What an application asks for

  /** @type {import("../hub.js").Hub["list"]} */
  list(query = {}) {
    const list = new List(
      {
        pageSize: this.#options.pageSize,
        select: (wanted, floor) => this.#inbox.select(wanted, floor, this.#changes.overlay),
        fetchPage: (wanted) => this.#fetchPage(wanted),
        forget: (closed) => this.#lists.delete(closed),
      },
      query,
    );
    this.#lists.add(list);
    if (list.plain && this.#inbox.floor < Infinity) list.adopt(this.#inbox.floor);
    else if (!list.plain || this.state.connection !== "connecting") list.reset();
    return list;
  }

  /** @type {import("../hub.js").Hub["request"]} */
  request = (method, path, body) => this.#session.request(method, path, body);

  reconnect() {
    if (this.#tabs?.leading) this.#connection?.open();
    else this.#tabs?.take();
  }

  close() {
    this.#life.abort();
    this.#connection?.close();
    this.#tabs?.close();
    this.#changes.close();
    this.#lists.clear();
  }

  // How it starts and wakes

  #listen() {
    const { signal } = this.#life;
    /** @param {EventTarget | undefined} target @param {string} type @param {() => void} act */
    const on = (target, type, act) => target?.addEventListener?.(type, act, { signal });
    const wake = () => {
      this.#changes.send();
      if (this.#tabs?.leading) this.#connection?.wake();
      else this.#tabs?.ask();
    };
    on(globalThis, "online", wake);
    on(globalThis, "pageshow", wake);
    on(globalThis.document, "visibilitychange", wake);
    on(globalThis, "offline", () => this.#connection?.lose());
  }

  async #start(attempt = 0) {
    try {
      this.#key = `hub ${this.#session.url} ${await this.#session.user()}`;
    } catch (error) {
      this.set({ connection: "waiting", reason: String(error) });
      setTimeout(() => this.#life.signal.aborted || this.#start(attempt + 1), jitter(attempt));
      return;
    }
    if (this.#life.signal.aborted) return;
    this.#connection = new Connection({
      key: this.#key,
      transport: this.#options.transport ?? "auto",
      prepare: (transport) => this.#prepare(transport),
      renew: () => (this.#session.forget(), this.#session.token()),
      receive: (frame, transport) => this.#receive(frame, transport),
      report: (state) => this.#report(state),
    });
    this.#tabs = new Tabs(this.#key, {
      lead: () => this.#lead(),
      follow: () => this.#follow(),
      greet: () => ({ link: this.#link(), frame: this.#inbox.epoch && this.#inbox.greeting(), greeting: true }),
      hear: (message) => this.#overhear(message),
      silence: () => 2000 * (this.state.ping_seconds ?? 25),
    });
    this.#tabs.join();
  }

  #lead() {
    this.set({ leader: true });
    // A tab that followed knows where it is; a fresh one goes on where this browser stopped.
    const cursor = /^([\w-]+):(\d+)$/.exec(recall(this.#key));
    if (cursor && !this.#inbox.epoch) this.#inbox.start({ epoch: cursor[1], seq: +cursor[2] });
    this.#connection?.open();
  }

  #follow() {
    this.#connection?.close();
    this.set({ leader: false });
  }

  /** @param {import("./connection.js").Transport} transport */
  async #prepare(transport) {
    const { epoch, seq, floor } = this.#inbox;
    const query = new URLSearchParams();
    if (epoch) query.set(transport === "sse" ? "last_event_id" : "resume", `${epoch}:${seq}`);
    if (floor === Infinity) query.set("snapshot", String(this.#options.pageSize));
    const { url, credentials } = this.#session;
    return { url, query, credentials, ...(await this.#session.authorize(query)) };
  }

  /** @param {Record<string, any>} query */
  async #fetchPage(query) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const page = await this.request("GET", `/v1/inbox?${new URLSearchParams(given)}`);
    for (const item of page.items) this.#inbox.put(item);
    this.#inbox.count(page);
    this.#changed();
    return page;
  }

  // What comes in

  /** @param {Partial<HubState>} state */
  #report(state) {
    this.set(state);
    this.#tabs?.tell({ link: this.#link() });
    this.#settle(state);
    if ((state.code ?? 0) < NEW_TOKEN) return;
    this.#session.forget();
    if (state.connection !== "stopped") return;
    this.#tabs?.resign(); // another tab may have a better token
    this.#follow();
  }

  /** The part of the state that is the same in all tabs. */
  #link() {
    const { connection, transport, user, code, reason, retry_at, ping_seconds } = this.state;
    return { connection, transport, user, code, reason, retry_at, ping_seconds };
  }

  /** Use a connection that is back, and do without one that is not. @param {Partial<HubState>} link */
  #settle({ connection }) {
    if (connection === "live") this.#changes.send();
    for (const list of this.#lists) {
      if (connection === "live" ? list.state.error : connection !== "connecting" && list.empty) list.reset();
    }
  }

  /** A frame of our own connection. @param {any} frame @param {import("./connection.js").Transport} transport */
  #receive(frame, transport) {
    const before = this.#inbox.seq;
    const current = frame.t === "resync" || frame.t === "resumed" || (frame.t === "hello" && !this.#inbox.epoch);
    if (frame.t === "ping" && frame.seq > before && this.state.connection === "live") return this.#connection?.open();
    if (frame.items) frame.floor = frame.items.length < this.#options.pageSize ? 0 : frame.items.at(-1).created_seq;
    if (frame.t === "hello") this.set({ user: frame.user_id, ping_seconds: frame.ping_seconds });
    this.#apply(frame);
    this.#tabs?.tell({ frame, before });
    if (!current) return;
    this.#show(); // nobody shall see "live" beside old counts
    this.#report({ connection: "live", transport, code: undefined, reason: undefined });
  }

  /**
   * A message of the leading tab: the state of the link, a frame it received, or, when we asked, where it stands.
   * @param {{ link?: Partial<HubState>, frame?: any, before?: number, greeting?: boolean }} message
   */
  #overhear({ link, frame, before = 0, greeting }) {
    if (link) {
      this.set(link);
      this.#settle(link);
    }
    if (!frame || (!this.#inbox.epoch && frame.t !== "hello")) return;
    if (before > this.#inbox.seq) return this.#tabs?.ask();
    if (greeting && frame.epoch === this.#inbox.epoch && frame.seq <= this.#inbox.seq) return;
    if (greeting) this.#inbox.epoch = ""; // behind: begin where the leader is
    this.#apply(frame);
  }

  /** @param {any} frame */
  #apply(frame) {
    const anew = frame.t === "resync" || (frame.t === "hello" && !this.#inbox.epoch);
    if (!this.#inbox.apply(frame)) return;
    for (const list of this.#lists) {
      if (frame.items && list.plain) list.adopt(frame.floor);
      else if (anew) list.reset();
    }
    this.emit(frame.t, { ...frame, replayed: this.state.connection !== "live" });
    this.#changed();
  }

  /** Show what changed, once for all that changes in this turn of the event loop. */
  #changed() {
    if (!this.#changing) queueMicrotask(() => this.#show());
    this.#changing = true;
  }

  #show() {
    this.#changing = false;
    const { epoch, seq, unread, unseen } = this.#inbox;
    this.#changes.settle(seq);
    if (this.#tabs?.leading && epoch) remember(this.#key, `${epoch}:${seq}`);
    for (const list of this.#lists) list.refresh();
    this.set({ seq, unread, unseen, queued: this.#changes.waiting });
  }
}

/** @type {typeof import("../hub.js").connect} */
export const connect = (options) => /** @type {any} */ (new Hub(options));
