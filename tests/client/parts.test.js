/** The pure parts of the client, by tables: no server, no clock. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { jitter, retryAfter } from "../../hub/web/client/src/backoff.js";
import { Changes } from "../../hub/web/client/src/changes.js";
import { codeOf, verdict } from "../../hub/web/client/src/closing.js";
import { Inbox } from "../../hub/web/client/src/inbox.js";
import { eventParser } from "../../hub/web/client/src/transport.js";
import { hello, item, notification } from "./scripted.js";

const asItIs = (shown) => shown;
const ids = (items) => items.map(({ id }) => id);

function inboxAt(seq, items = [], more = {}) {
  const inbox = new Inbox();
  inbox.apply(hello(seq, { items, floor: 0, ...more }));
  return inbox;
}

test("the range of a close code alone says what a client does", () => {
  const table = {
    stop: [4000, 4003, 4009, 4010, 4013, 4040, 4099],
    "back off": [0, 1006, 4100, 4104, 4108, 4113, 4150, 4199],
    return: [1001, 1011, 1012, 4200, 4201, 4202],
    renew: [4301, 4302, 4308],
  };
  for (const [wanted, codes] of Object.entries(table))
    for (const code of codes) assert.equal(verdict(code), wanted, code);
});

test("a refused stream stops or renews only where the hub itself said so", () => {
  const table = {
    400: "stop",
    401: "renew",
    403: "stop",
    404: "back off",
    429: "back off",
    502: "back off",
    503: "back off",
  };
  for (const [status, wanted] of Object.entries(table)) assert.equal(verdict(codeOf(+status)), wanted, status);
});

test("backoff is drawn from the whole interval and capped at 20 s", () => {
  for (const [attempt, cap] of [
    [0, 500],
    [1, 1000],
    [5, 16_000],
    [6, 20_000],
    [60, 20_000],
  ]) {
    const drawn = Array.from({ length: 300 }, () => jitter(attempt));
    assert.ok(Math.max(...drawn) <= cap && Math.max(...drawn) > cap * 0.9, `${attempt}: ${Math.max(...drawn)}`);
    assert.ok(Math.min(...drawn) >= 0 && Math.min(...drawn) < cap * 0.1);
  }
});

test("Retry-After is read as seconds or as a date, and never as a negative wait", () => {
  const after = (value) =>
    retryAfter(new Response("", { headers: value === undefined ? {} : { "Retry-After": value } }));
  assert.equal(after(undefined), 0);
  assert.equal(after("3"), 3000);
  assert.equal(after("nonsense"), 0);
  assert.equal(after("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
  assert.ok(after(new Date(Date.now() + 60_000).toUTCString()) > 58_000);
});

test("an event stream is parsed the same wherever its chunks are cut", () => {
  const text =
    'retry: 1500\n\n: hi\r\nevent: hello\r\nid: e:1\r\ndata: {"t":\r\ndata: "hello"}\r\n\r\ndata:{"é":1}\n\n';
  for (let cut = 0; cut <= text.length; cut++) {
    const heard = [];
    const parse = eventParser(
      (data) => heard.push(JSON.parse(data)),
      (ms) => heard.push(ms),
    );
    parse(text.slice(0, cut));
    parse(text.slice(cut));
    assert.deepEqual(heard, [1500, { t: "hello" }, { é: 1 }], `cut at ${cut}`);
  }
});

test("a frame is applied iff its seq is above the inbox's own", () => {
  const inbox = inboxAt(5);
  assert.equal(inbox.apply(notification("created", item(5))), false);
  assert.equal(
    inbox.apply(notification("created", item(7), { unread: 2 })),
    true,
    "jumps are fine: replays are compacted",
  );
  assert.equal(inbox.apply(notification("created", item(6), { unread: 9 })), false);
  assert.deepEqual([inbox.seq, inbox.unread], [7, 2]);
});

test("frames of a kind the client does not know change nothing", () => {
  const inbox = inboxAt(5);
  for (const t of ["ok", "ping", "weather"]) assert.equal(inbox.apply({ t, seq: 99, unread: 99 }), false);
  assert.deepEqual([inbox.seq, inbox.unread], [5, 0]);
});

test("counts are copied from the newest word, whichever way it came", () => {
  const inbox = inboxAt(5);
  inbox.count({ seq: 9, unread: 4, unseen: 3 });
  inbox.apply(notification("created", item(6), { unread: 1 }));
  assert.equal(inbox.unread, 4, "the answer of a request was newer than the frame");
  inbox.apply({ t: "inbox", change: "read_all", seq: 10, unread: 0, unseen: 0, read_seq: 10, seen_seq: 10 });
  assert.equal(inbox.unread, 0);
});

test("a resuming client keeps its seq through hello and takes the replay", () => {
  const inbox = inboxAt(5);
  inbox.apply(hello(9, { unread: 2 }));
  assert.deepEqual([inbox.seq, inbox.unread], [5, 2]);
  assert.equal(inbox.apply(notification("created", item(7), { unread: 2 })), true);
  inbox.apply({ t: "resumed", from: 5, to: 9, count: 1, unread: 2, unseen: 2, read_seq: 0, seen_seq: 0 });
  assert.equal(inbox.seq, 9);
});

test("an item is read by itself or by the watermark at its last own change", () => {
  const inbox = inboxAt(8, [item(1), item(2), item(3, { seq: 8, read_seq: 8 }), item(4, { read: true })]);
  inbox.apply({ t: "inbox", change: "read_all", seq: 9, unread: 1, unseen: 1, read_seq: 7, seen_seq: 3 });
  const shown = inbox.select({}, 0, asItIs);
  assert.deepEqual(
    shown.map(({ id, read }) => [id, read]),
    [
      ["ntf_4", true],
      ["ntf_3", false],
      ["ntf_2", true],
      ["ntf_1", true],
    ],
  );
  assert.deepEqual(
    shown.map(({ seen }) => seen),
    [true, true, true, true],
  );
});

test("an older version of an item never replaces a newer one, and what is gone stays gone", () => {
  const inbox = inboxAt(5, [item(5)]);
  inbox.apply(notification("deleted", item(5, { seq: 6 })));
  inbox.put(item(5));
  assert.deepEqual(inbox.select({}, 0, asItIs), []);
});

test("filters list what the server's list, newest first, from the floor on", () => {
  const inbox = inboxAt(9, [
    item(1),
    item(2, { read: true }),
    item(3, { archived: true }),
    item(4, { snoozed_until: "2099-01-01T00:00:00Z" }),
    item(5, { category: "chat", tags: ["vip"] }),
  ]);
  const list = (query, floor = 0) => ids(inbox.select(query, floor, asItIs));
  assert.deepEqual(list({}), ["ntf_5", "ntf_2", "ntf_1"]);
  assert.deepEqual(list({}, 2), ["ntf_5", "ntf_2"]);
  assert.deepEqual(list({ filter: "unread" }), ["ntf_5", "ntf_1"]);
  assert.deepEqual(list({ filter: "archived" }), ["ntf_3"]);
  assert.deepEqual(list({ filter: "snoozed" }), ["ntf_4"]);
  assert.deepEqual(list({ category: "chat" }), ["ntf_5"]);
  assert.deepEqual(list({ tag: "vip" }), ["ntf_5"]);
});

test("a resync forgets everything and goes on from its seq", () => {
  const inbox = inboxAt(5, [item(5)]);
  inbox.apply({ t: "resync", reason: "epoch", epoch: "e2", seq: 3, unread: 7, unseen: 7 });
  assert.deepEqual([inbox.epoch, inbox.seq, inbox.unread], ["e2", 3, 7]);
  assert.deepEqual(inbox.select({}, 0, asItIs), []);
});

/** Changes whose hub answers what the test puts into `answers`. */
function changesWith(...answers) {
  const log = { sent: [], refused: [] };
  const changes = new Changes({
    async send(request) {
      log.sent.push(request.path);
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
    accepted() {},
    refused: (error) => log.refused.push(error.message),
    changed() {},
  });
  return { changes, log };
}

const reading = (id) => ({ path: `${id}/read`, patch: (shown) => shown.id === id && { read: true } });

test("a change shows at once, stays until its frame has come, and is then forgotten", async () => {
  const { changes } = changesWith({ seq: 8 });
  const made = changes.make(reading("ntf_1"));
  assert.equal(changes.overlay(item(1)).read, true);
  assert.equal(changes.waiting, 1);
  assert.deepEqual(await made, { seq: 8 });
  assert.equal(changes.waiting, 0);
  changes.settle(7);
  assert.equal(changes.overlay(item(1)).read, true, "no flicker between answer and frame");
  changes.settle(8);
  assert.equal(changes.overlay(item(1)).read, false);
});

test("a refused change is taken back and told", async () => {
  const { changes, log } = changesWith(Object.assign(new Error("gone"), { status: 404 }), { seq: 3 });
  const refused = changes.make(reading("ntf_1"));
  const taken = changes.make(reading("ntf_2"));
  await assert.rejects(refused, /gone/);
  await taken;
  changes.settle(0);
  assert.equal(changes.overlay(item(1)).read, false);
  assert.equal(changes.overlay(item(2)).read, true);
  assert.deepEqual(log.refused, ["gone"]);
});

test("changes keep their order, and one that meets no network holds back those after it", async (context) => {
  context.mock.method(Math, "random", () => 0.99);
  const { changes, log } = changesWith(new TypeError("no network"), { seq: 1 }, { seq: 2 });
  const all = [changes.make(reading("ntf_1")), changes.make(reading("ntf_2"))];
  await new Promise(setImmediate);
  assert.deepEqual([log.sent, changes.waiting], [["ntf_1/read"], 2]);
  await changes.send();
  await Promise.all(all);
  assert.deepEqual(log.sent, ["ntf_1/read", "ntf_1/read", "ntf_2/read"]);
  changes.close();
});
