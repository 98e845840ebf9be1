/** The client against a scripted hub: everything a user of `connect` can see, on both transports. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { WebSocket } from "ws";

import { connect } from "../../hub/web/client/hub.js";
import { event, hello, item, notification, ScriptedHub, Storage, tokenOf, until } from "./scripted.js";

/** The one of `ws` behaves like a browser's, but for an `error` event that must not go unheard. */
globalThis.WebSocket = class extends WebSocket {
  constructor(...address) {
    super(...address);
    this.on("error", () => {});
  }
};

const TOKEN = tokenOf("alice");
const ids = ({ items }) => items.map(({ id }) => id);
const live = ({ connection }) => connection === "live";
const resumed = (from, to, more = {}) => ({
  t: "resumed",
  from,
  to,
  count: 0,
  unread: 0,
  unseen: 0,
  read_seq: 0,
  seen_seq: 0,
  ...more,
});
const bye = (code, more = {}) => ({ t: "bye", code, reason: "because", reconnect: code >= 4100, after_ms: 0, ...more });
const page = (items, more = {}) => ({ items, next_cursor: null, epoch: "e1", seq: 9, unread: 0, unseen: 0, ...more });

let server;
let open;

beforeEach(async () => {
  globalThis.localStorage = new Storage();
  server = await new ScriptedHub().start();
  open = [];
});

afterEach(async () => {
  for (const hub of open) hub.close();
  await server.stop();
});

function client(options = {}) {
  const hub = connect({ url: server.url, getToken: () => TOKEN, ...options });
  open.push(hub);
  return hub;
}

/** A client that is live at a seq, with these items. */
async function liveClient(options, seq = 5, items = []) {
  const hub = client(options);
  const peer = (await server.next()).say(hello(seq, { items }));
  await until(hub, live);
  return { hub, peer };
}

for (const transport of ["websocket", "sse"]) {
  describe(transport, () => {
    test("it authenticates, asks for a snapshot and shows it without another request", async () => {
      const hub = client({ transport });
      const list = hub.list();
      const peer = await server.next();
      assert.equal(peer.transport, transport);
      assert.equal(peer.token, TOKEN);
      assert.equal(peer.query.get("snapshot"), "20");
      peer.say(hello(5, { items: [item(5), item(4, { read: true })], unread: 1, unseen: 2 }));
      await until(list, ({ items }) => items.length === 2);
      assert.deepEqual(ids(list.state), ["ntf_5", "ntf_4"]);
      assert.equal(list.state.more, false);
      const { connection, unread, unseen, seq, user } = await until(hub, live);
      assert.deepEqual([connection, unread, unseen, seq, user], ["live", 1, 2, 5, "alice"]);
      assert.deepEqual(server.requests, []);
    });

    test("live frames change list and counts, and are told as events", async () => {
      const { hub, peer } = await liveClient({ transport });
      const list = hub.list();
      const told = event(hub, "notification");
      peer.say(notification("created", item(6), { unread: 1 }));
      const { change, replayed } = await told;
      assert.deepEqual([change, replayed], ["created", false]);
      await until(hub, ({ unread, seq }) => unread === 1 && seq === 6);
      assert.deepEqual(ids(list.state), ["ntf_6"]);
      peer.say({ t: "inbox", change: "read_all", seq: 7, unread: 0, unseen: 0, read_seq: 6, seen_seq: 6 });
      await until(list, ({ items }) => items[0].read);
      peer.say(notification("recalled", item(6, { seq: 8 }), { unread: 0 }));
      await until(list, ({ items }) => items.length === 0);
    });

    test("frames that come twice or from the future of the protocol are passed over", async () => {
      const { hub, peer } = await liveClient({ transport });
      let events = 0;
      hub.addEventListener("notification", () => events++);
      const six = notification("created", item(6), { unread: 1 });
      peer.say(six, six, { t: "confetti", seq: 99 }, notification("created", item(7), { unread: 2 }), six);
      await until(hub, ({ seq }) => seq === 7);
      assert.equal(events, 2);
      assert.equal(hub.state.unread, 2);
    });

    test("after a loss it resumes at its cursor, and what it missed is told as replayed", async () => {
      const { hub, peer } = await liveClient({ transport });
      const list = hub.list();
      peer.end();
      const again = await server.next();
      assert.equal(again.query.get(transport === "sse" ? "last_event_id" : "resume"), "e1:5");
      assert.equal(again.query.has("snapshot"), false);
      again.say(hello(7));
      const told = [event(hub, "notification"), event(hub, "resumed")];
      again.say(notification("created", item(7), { unread: 1 }), resumed(5, 7, { count: 1, unread: 1 }));
      const [{ replayed }, { count }] = await Promise.all(told);
      assert.deepEqual([replayed, count], [true, 1]);
      await until(hub, (state) => live(state) && state.seq === 7);
      assert.deepEqual(ids(list.state), ["ntf_7"]);
    });

    test("the cursor outlives the page, per user", async () => {
      const { hub, peer } = await liveClient({ transport });
      peer.say(notification("created", item(6)));
      await until(hub, ({ seq }) => seq === 6);
      hub.close();
      client({ transport });
      assert.equal((await server.next()).query.get(transport === "sse" ? "last_event_id" : "resume"), "e1:6");
      client({ transport, getToken: () => tokenOf("bob") });
      const query = (await server.next()).query;
      assert.equal(query.has("resume") || query.has("last_event_id"), false);
    });

    test("a resync reloads over HTTP, keeps what is shown until then, and goes on from its seq", async () => {
      const { hub, peer } = await liveClient({ transport }, 5, [item(5)]);
      const list = hub.list();
      let answer;
      server.answers["GET /v1/inbox"] = () => ({ body: answer });
      answer = page([item(31), item(30)], { seq: 31 });
      const lengths = new Set();
      list.subscribe(({ items }) => lengths.add(items.length));
      peer.say({ t: "resync", reason: "slow", epoch: "e1", seq: 30, unread: 2, unseen: 2 });
      peer.say(notification("created", item(31), { unread: 3 }));
      await until(list, ({ items }) => items.length === 2);
      assert.deepEqual(ids(list.state), ["ntf_31", "ntf_30"]);
      assert.ok(!lengths.has(0), "the list was never empty in between");
      assert.equal(hub.state.seq, 31);
      assert.equal(server.requests[0].headers.authorization, `Bearer ${TOKEN}`);
    });

    test("codes of the 4000s end it, and are reported", async () => {
      const { hub, peer } = await liveClient({ transport });
      peer.say(bye(4009));
      const { code, reason } = await until(hub, ({ connection }) => connection === "stopped");
      assert.deepEqual([code, reason], [4009, "because"]);
      await assert.rejects(server.next(700), "it must not come back by itself");
      hub.reconnect();
      (await server.next()).say(hello(5), resumed(5, 5));
      assert.equal((await until(hub, live)).code, undefined);
    });

    test("a drained client comes back after the time it was told", async () => {
      const { hub, peer } = await liveClient({ transport });
      const begun = Date.now();
      peer.say(bye(4200, { after_ms: 900 }));
      const { retry_at } = await until(hub, ({ connection }) => connection === "waiting");
      assert.ok(Math.abs(retry_at - begun - 900) < 200);
      await server.next();
      assert.ok(Date.now() - begun >= 890);
    });

    test("a new token is fetched after a 4300 code; two refusals in a row end it", async () => {
      let fetched = 0;
      const { hub, peer } = await liveClient({ transport, getToken: () => tokenOf("alice", { n: ++fetched }) });
      peer.say(bye(4301));
      const again = await server.next();
      assert.equal(again.token, tokenOf("alice", { n: 2 }));
      again.say(hello(5), resumed(5, 5));
      await until(hub, live);
      again.say(bye(4302));
      (await server.next()).say(bye(4302));
      assert.equal((await until(hub, ({ connection }) => connection === "stopped")).code, 4302);
      await assert.rejects(server.next(700));
    });

    test("an idle client that learns from a ping that it is behind resumes", async () => {
      const { hub, peer } = await liveClient({ transport });
      peer.say({ t: "ping", seq: 5 }, { t: "ping", seq: 8 });
      const again = await server.next();
      assert.equal(again.query.get(transport === "sse" ? "last_event_id" : "resume"), "e1:5");
      again.say(hello(8), notification("created", item(8)), resumed(5, 8));
      await until(hub, (state) => live(state) && state.seq === 8);
    });

    test("silence beyond the ping interval is a dead connection", async () => {
      const hub = client({ transport });
      (await server.next()).say(hello(5, { ping_seconds: 0.01 }));
      await until(hub, live);
      await server.next(8000);
    });

    test("an unreadable frame is not skipped but fetched again", async () => {
      const { hub, peer } = await liveClient({ transport });
      peer.write("{not json");
      const again = await server.next();
      assert.match(`${again.query}`, /e1%3A5/);
      again.say(hello(5), resumed(5, 5));
      await until(hub, live);
    });
  });
}

describe("transports", () => {
  test("WebSocket pings are answered, with the seq they named", async () => {
    const { peer } = await liveClient({ transport: "websocket" });
    peer.say({ t: "ping", seq: 5 });
    assert.deepEqual(await peer.frame("pong"), { t: "pong", seq: 5 });
  });

  test("an expiring token is refreshed in the connection", async () => {
    let fetched = 0;
    const { peer } = await liveClient({ getToken: () => tokenOf("alice", { n: ++fetched }) });
    peer.say({ t: "token", state: "expiring", expires_in: 60 });
    assert.deepEqual(await peer.frame("refresh"), { t: "refresh", token: tokenOf("alice", { n: 2 }) });
  });

  test("where WebSocket fails it listens by SSE, and remembers that", async () => {
    server.refuse = (transport) => transport === "websocket" && [502];
    const { hub, peer } = await liveClient();
    assert.equal(peer.transport, "sse");
    assert.equal(hub.state.transport, "sse");
    let tried = 0;
    server.refuse = (transport) => transport === "websocket" && (tried++, [502]);
    hub.close();
    client();
    assert.equal((await server.next()).transport, "sse");
    assert.equal(tried, 0);
  });

  test("a WebSocket that worked before is not given up for one restart of a node", async () => {
    const { peer } = await liveClient();
    let refusals = 0;
    server.refuse = () => refusals++ < 1 && [502];
    peer.end();
    const again = await server.next();
    assert.equal(again.transport, "websocket");
  });

  test("Retry-After and retry: are waited for", async () => {
    let begun;
    server.refuse = () => (begun ? undefined : ((begun = Date.now()), [503, { "Retry-After": "1" }]));
    const hub = client({ transport: "sse" });
    const peer = await server.next();
    assert.ok(Date.now() - begun >= 990);
    peer.raw("retry: 800\n\n");
    peer.say(hello(5));
    await until(hub, live);
    begun = Date.now();
    peer.end();
    await server.next();
    assert.ok(Date.now() - begun >= 790);
  });

  test("a ticket opens the stream where the page must not see a token", async () => {
    let tickets = 0;
    const hub = client({ getToken: undefined, getTicket: async () => `ticket-${++tickets}`, user: "alice" });
    const peer = (await server.next()).say(hello(5, { items: [] }));
    assert.equal(peer.query.get("ticket"), "ticket-1");
    await until(hub, live);
    peer.end();
    assert.equal((await server.next()).query.get("ticket"), "ticket-2", "tickets are used once");
  });

  test("an application whose token cannot be had is asked again", async () => {
    let asked = 0;
    const hub = client({
      getToken: () => {
        if (++asked < 3) throw new Error("signed out");
        return TOKEN;
      },
    });
    await until(hub, ({ connection, reason }) => connection === "waiting" && /signed out/.test(reason));
    assert.equal((await server.next()).token, TOKEN);
  });
});

describe("changes", () => {
  test("reading shows at once; the count waits for the hub", async () => {
    const { hub, peer } = await liveClient({}, 5, [item(5)]);
    const list = hub.list();
    peer.say(notification("created", item(6), { unread: 2 }));
    await until(hub, ({ unread }) => unread === 2);
    let answer;
    server.answers["POST /v1/inbox/ntf_6/read"] = () => ({ body: answer });
    answer = { seq: 7, unread: 1, unseen: 0 };
    const done = hub.read("ntf_6");
    await until(list, ({ items }) => items[0].read && items[0].seen);
    assert.equal(hub.state.unread, 2);
    assert.deepEqual(await done, answer);
    await until(hub, ({ unread }) => unread === 1);
    assert.equal(hub.state.seq, 6, "only frames move the cursor");
  });

  test("a refused change is rolled back, rejects, and is told", async () => {
    const { hub } = await liveClient({}, 5, [item(5)]);
    const list = hub.list();
    const detail = "it is locked";
    server.answers["POST /v1/inbox/ntf_5/archive"] = { status: 409, body: { detail } };
    const told = event(hub, "error");
    const archived = hub.archive("ntf_5");
    await until(list, ({ items }) => items.length === 0);
    await assert.rejects(archived, (error) => error.message === detail && error.status === 409);
    assert.equal((await told).problem.detail, detail);
    await until(list, ({ items }) => items.length === 1);
  });

  test("each verb calls its route and shows its effect", async () => {
    const { hub } = await liveClient({}, 5, [item(5), item(4, { read: true })]);
    const list = hub.list();
    const routes = {
      "POST /v1/inbox/ntf_5/read": () => hub.read("ntf_5"),
      "POST /v1/inbox/ntf_5/unread": () => hub.unread("ntf_5"),
      "POST /v1/inbox/ntf_5/snooze": () => hub.snooze("ntf_5", new Date("2099-01-01")),
      "POST /v1/inbox/ntf_5/unsnooze": () => hub.unsnooze("ntf_5"),
      "POST /v1/inbox/ntf_5/archive": () => hub.archive("ntf_5"),
      "POST /v1/inbox/ntf_5/unarchive": () => hub.unarchive("ntf_5"),
      "POST /v1/inbox/read-all": () => hub.readAll(),
      "POST /v1/inbox/seen": () => hub.seen(),
      "POST /v1/inbox/archive-read": () => hub.archiveRead(),
      "DELETE /v1/inbox/ntf_5": () => hub.remove("ntf_5"),
    };
    const shown = [];
    for (const [route, act] of Object.entries(routes)) {
      server.answers[route] = { body: { seq: 5, unread: 0, unseen: 0 } };
      const done = act();
      await new Promise(queueMicrotask);
      shown.push(
        list.state.items.map(({ id, read, seen }) => `${id.at(-1)}${read ? "r" : ""}${seen ? "s" : ""}`).join(),
      );
      await done;
    }
    assert.deepEqual(shown, ["5rs,4rs", "5,4rs", "4rs", "5,4rs", "4rs", "5,4rs", "5rs,4rs", "5s,4rs", "5", "4rs"]);
    const bodies = server.requests.map(({ body }) => body).filter(Boolean);
    assert.deepEqual(bodies, [{ until: "2099-01-01T00:00:00.000Z" }, { up_to: 5 }, { up_to: 5 }]);
  });

  test("without a network changes wait, are said to wait, and are sent in order on return", async () => {
    const { hub, peer } = await liveClient({}, 5, [item(5), item(4)]);
    const list = hub.list();
    for (const id of ["ntf_5", "ntf_4"]) server.answers[`POST /v1/inbox/${id}/read`] = { status: 0 };
    peer.end();
    const done = Promise.all([hub.read("ntf_5"), hub.read("ntf_4")]);
    await until(hub, ({ queued }) => queued === 2);
    await until(list, ({ items }) => items.every(({ read }) => read));
    for (const id of ["ntf_5", "ntf_4"])
      server.answers[`POST /v1/inbox/${id}/read`] = { body: { seq: 7, unread: 0, unseen: 0 } };
    (await server.next()).say(hello(5), resumed(5, 5));
    await done;
    await until(hub, ({ queued }) => queued === 0);
    const delivered = server.requests.slice(-2).map(({ path }) => path);
    assert.deepEqual(delivered, ["/v1/inbox/ntf_5/read", "/v1/inbox/ntf_4/read"]);
  });

  test("an overloaded hub is left alone for as long as it asks", async () => {
    const { hub } = await liveClient({}, 5, [item(5)]);
    const times = [];
    server.answers["POST /v1/inbox/ntf_5/read"] = () => {
      times.push(Date.now());
      if (times.length === 1) return { status: 429, body: {}, headers: { "Retry-After": "1" } };
      return { body: { seq: 6, unread: 0, unseen: 0 } };
    };
    await hub.read("ntf_5");
    assert.ok(times[1] - times[0] >= 990);
  });

  test("a request whose token has run out is repeated once with a new one", async () => {
    let fetched = 0;
    const { hub } = await liveClient({ getToken: () => tokenOf("alice", { n: ++fetched }) });
    server.answers["GET /v1/preferences"] = ({ headers }) =>
      headers.authorization.endsWith(tokenOf("alice", { n: 2 })) ? { body: { fine: true } } : { status: 401, body: {} };
    assert.deepEqual(await hub.request("GET", "/v1/preferences"), { fine: true });
  });
});

describe("lists", () => {
  test("pages join without gap or duplicate, the first one after a snapshot too", async () => {
    const { hub } = await liveClient({ pageSize: 2 }, 9, [item(9), item(8)]);
    const list = hub.list();
    assert.equal(list.state.more, true);
    const all = [9, 8, 7, 6, 5].map((n) => item(n));
    server.answers["GET /v1/inbox"] = ({ query }) => {
      const before = +(query.get("cursor") ?? 99);
      const rest = all.filter(({ created_seq }) => created_seq < before);
      const items = rest.slice(0, +query.get("limit"));
      return { body: page(items, { next_cursor: rest.length > items.length ? `${items.at(-1).created_seq}` : null }) };
    };
    await list.load();
    assert.deepEqual(ids(list.state), ["ntf_9", "ntf_8", "ntf_7", "ntf_6"]);
    await list.load();
    assert.deepEqual(ids(list.state), ["ntf_9", "ntf_8", "ntf_7", "ntf_6", "ntf_5"]);
    assert.equal(list.state.more, false);
    await list.load();
    assert.equal(server.requests.length, 2);
  });

  test("a filtered list loads its own pages and takes live changes", async () => {
    const { hub, peer } = await liveClient({}, 5, [item(5)]);
    server.answers["GET /v1/inbox"] = { body: page([item(3)]) };
    const list = hub.list({ filter: "unread", category: "order.shipped" });
    await until(list, ({ items }) => items.length > 0);
    assert.equal(`${server.requests[0].query}`, "filter=unread&category=order.shipped&limit=20");
    peer.say(notification("created", item(6)), notification("created", item(7, { category: "chat" })));
    await until(list, ({ items }) => items[0]?.id === "ntf_6");
    peer.say(notification("read", item(6, { seq: 8, read: true })));
    await until(list, ({ items }) => !ids({ items }).includes("ntf_6"));
  });

  test("a page that fails is reported, and loaded when it is asked for again", async () => {
    const { hub } = await liveClient();
    server.answers["GET /v1/inbox"] = { status: 500, body: { detail: "sorry" } };
    const list = hub.list({ filter: "archived" });
    assert.equal((await until(list, ({ error }) => error)).error.message, "sorry");
    server.answers["GET /v1/inbox"] = { body: page([item(3, { archived: true })]) };
    await list.load();
    assert.deepEqual([ids(list.state), list.state.error], [["ntf_3"], null]);
  });

  test("without any stream the list is still there, over HTTP", async () => {
    server.refuse = () => [502];
    server.answers["GET /v1/inbox"] = { body: page([item(3)], { unread: 1 }) };
    const hub = client();
    const list = hub.list();
    await until(list, ({ items }) => items.length === 1);
    await until(hub, ({ unread }) => unread === 1);
  });
});
