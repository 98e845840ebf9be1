/**
 * A hub that does what a test says: it accepts streams on both transports, answers the inbox from a table, and records
 * everything. It knows no rules, so that a client is never tested against its own idea of them.
 */

import { once, EventEmitter } from "node:events";
import { createServer } from "node:http";

import { WebSocketServer } from "ws";

/** Every browser has it; Node since 19, and Debian 12 has 18. */
globalThis.CustomEvent ??= class extends Event {
  constructor(type, { detail = null } = {}) {
    super(type);
    this.detail = detail;
  }
};

/** One stream of a client: what it asked for, what it said, and a way to speak. */
export class Peer extends EventEmitter {
  heard = [];

  constructor(transport, query, write, end) {
    super();
    Object.assign(this, { transport, query, write, end, token: undefined });
  }

  /** Say frames, in order. */
  say(...frames) {
    for (const frame of frames) this.write(JSON.stringify(frame));
    return this;
  }

  hear(frame) {
    this.heard.push(frame);
    this.emit("frame", frame);
  }

  /** The first frame of this kind, now or later. */
  async frame(t) {
    for (;;) {
      const found = this.heard.find((frame) => frame.t === t);
      if (found) return found;
      await once(this, "frame", { signal: AbortSignal.timeout(5000) });
    }
  }
}

export class ScriptedHub {
  /** What is left to be accepted; `next` takes them in order. */
  #peers = [];
  #arrivals = new EventEmitter();
  /** Answers of the HTTP API by "METHOD /path"; a function gets the request. */
  answers = {};
  requests = [];
  /** Called with a transport before a stream opens; returns [status, headers] to refuse it. */
  refuse = () => undefined;

  async start() {
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "hub.v1" });
    this.#server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  #server;
  #sockets;

  async stop() {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** The next stream that was opened, now or within the timeout. */
  async next(milliseconds = 5000) {
    if (!this.#peers.length) await once(this.#arrivals, "peer", { signal: AbortSignal.timeout(milliseconds) });
    return this.#peers.shift();
  }

  /** Whether another stream was opened that nobody has taken yet. */
  get waiting() {
    return this.#peers.length;
  }

  #arrive(peer) {
    this.#peers.push(peer);
    this.#arrivals.emit("peer");
  }

  #upgrade(request, socket, head) {
    const refusal = this.refuse("websocket");
    if (refusal) return socket.end(`HTTP/1.1 ${refusal[0]} Refused\r\nConnection: close\r\n\r\n`);
    this.#sockets.handleUpgrade(request, socket, head, (accepted) => {
      const { searchParams } = new URL(request.url, this.url);
      const peer = new Peer(
        "websocket",
        searchParams,
        (text) => accepted.send(text),
        (code) => (code ? accepted.close(code) : accepted.terminate()),
      );
      accepted.on("close", () => peer.emit("closed"));
      accepted.on("message", (data) => {
        const frame = JSON.parse(data);
        if (frame.t === "auth") {
          peer.token = frame.token;
          this.#arrive(peer);
        } else peer.hear(frame);
      });
      if (searchParams.has("ticket")) this.#arrive(peer);
    });
  }

  #answer(request, response) {
    const url = new URL(request.url, this.url);
    if (url.pathname === "/v1/stream") return this.#stream(request, response, url);
    let text = "";
    request.on("data", (data) => (text += data));
    request.on("end", () => {
      const said = { method: request.method, path: url.pathname, query: url.searchParams, headers: request.headers };
      this.requests.push({ ...said, body: text ? JSON.parse(text) : undefined });
      const given = this.answers[`${request.method} ${url.pathname}`] ?? { status: 404, body: { detail: "no answer" } };
      const { status = 200, body, headers } = typeof given === "function" ? given(this.requests.at(-1)) : given;
      if (status === 0) return request.socket.destroy();
      response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
    });
  }

  #stream(request, response, { searchParams }) {
    const refusal = this.refuse("sse");
    if (refusal) return response.writeHead(refusal[0], refusal[1]).end("{}");
    response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
    const peer = new Peer(
      "sse",
      searchParams,
      (text) => response.write(`event: x\r\ndata: ${text}\r\n\r\n`),
      (code) => (code ? response.end() : request.socket.destroy()),
    );
    peer.raw = (text) => response.write(text);
    peer.token = request.headers.authorization?.replace("Bearer ", "");
    response.on("close", () => peer.emit("closed"));
    this.#arrive(peer);
  }
}

/** A `hello` at a seq; give `items` for a snapshot. */
export const hello = (seq, more = {}) => ({
  t: "hello",
  v: 1,
  connection_id: "con_1",
  user_id: "alice",
  epoch: "e1",
  seq,
  unread: 0,
  unseen: 0,
  read_seq: 0,
  seen_seq: 0,
  ping_seconds: 25,
  expires_in: 3600,
  ...more,
});

/** A notification that arrived at `created_seq` and last changed at `seq`. */
export const item = (created_seq, { seq = created_seq, ...more } = {}) => ({
  id: `ntf_${created_seq}`,
  seq,
  created_seq,
  read_seq: created_seq,
  category: "order.shipped",
  title: `Number ${created_seq}`,
  body: null,
  data: null,
  action_url: null,
  icon: null,
  actions: null,
  priority: "normal",
  tags: [],
  collapse_key: null,
  repeat_count: 1,
  created_at: "2026-01-01T00:00:00Z",
  seen: false,
  read: false,
  archived: false,
  read_at: null,
  archived_at: null,
  snoozed_until: null,
  expires_at: null,
  ...more,
});

/** The frame that tells of a change of an item. */
export const notification = (change, notification, counts = {}) => ({
  t: "notification",
  seq: notification.seq,
  change,
  unread: 1,
  unseen: 1,
  notification,
  ...counts,
});

/** Wait until a store's state is as wanted; the state it stays in otherwise is in the error. */
export function until(store, wanted, milliseconds = 5000) {
  return new Promise((resolve, reject) => {
    let stop = () => {};
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`still ${JSON.stringify(store.state)}`));
    }, milliseconds);
    stop = store.subscribe((state) => {
      if (!wanted(state)) return;
      clearTimeout(timer);
      queueMicrotask(() => stop());
      resolve(state);
    });
  });
}

/** Wait for one event of a store. */
export function event(store, type, milliseconds = 5000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${type}`)), milliseconds);
    store.addEventListener(type, ({ detail }) => (clearTimeout(timer), resolve(detail)), { once: true });
  });
}

/** What `localStorage` is, for one test. */
export class Storage {
  #values = new Map();
  getItem = (key) => this.#values.get(key) ?? null;
  setItem = (key, value) => this.#values.set(key, String(value));
  keys = () => [...this.#values.keys()];
}

/** An unsigned token whose subject is a user: only a hub would check it. */
export const tokenOf = (sub, more = {}) =>
  ["{}", JSON.stringify({ sub, ...more }), ""].map((part) => Buffer.from(part).toString("base64url")).join(".");
