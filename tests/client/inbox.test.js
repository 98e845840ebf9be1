/** The pure parts of the inbox element: links, times, languages. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { safeImage, safeLink } from "../../hub/web/client/inbox/links.js";
import { addMessages, ENGLISH, humanize, speaker } from "../../hub/web/client/inbox/messages.js";
import { ago, coming, snoozeChoices, stretch } from "../../hub/web/client/inbox/time.js";

const MESSAGES = fileURLToPath(new URL("../../hub/web/client/messages", import.meta.url));
const base = "https://app.example.com/home";
const now = new Date(2026, 2, 18, 14, 30); // a Wednesday

test("a link leads to the web or nowhere", () => {
  const bad = ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "\tjavascript:alert(1)", "data:text/html,x", "vbscript:x"];
  const worse = [
    "file:///etc/passwd",
    "blob:https://app.example.com/1",
    "https://user:word@evil.example",
    "http://[",
    "",
    null,
  ];
  for (const address of [...bad, ...worse]) assert.equal(safeLink(address, { base }), null, address);
  assert.equal(safeLink("/orders/7", { base }).href, "https://app.example.com/orders/7");
  assert.equal(safeLink("https://elsewhere.example/x", { base }).href, "https://elsewhere.example/x");
});

test("with origins named, links lead only there and home; pictures come only from there and home anyway", () => {
  const origins = ["https://shop.example"];
  const hrefs = (guard, page) =>
    ["/a", "https://shop.example/a", "https://shop.example.evil/a", "//evil.example/a"].map(
      (address) => guard(address, page)?.host,
    );
  assert.deepEqual(hrefs(safeLink, { base, origins }), ["app.example.com", "shop.example", undefined, undefined]);
  assert.deepEqual(hrefs(safeImage, { base, origins }), ["app.example.com", "shop.example", undefined, undefined]);
  assert.deepEqual(hrefs(safeImage, { base }), ["app.example.com", undefined, undefined, undefined]);
});

test("times are said as people say them", () => {
  const said = (...then) => ago(new Date(2026, ...then), now, "en");
  assert.deepEqual(
    [said(2, 18, 14, 29, 30), said(2, 18, 14, 25), said(2, 18, 11, 0), said(2, 17, 23, 0), said(2, 14, 9), said(1, 3)],
    ["now", "5m ago", "3h ago", "yesterday", "4d ago", "Feb 3"],
  );
  assert.equal(ago(new Date(2025, 11, 24), now, "en"), "Dec 24, 2025");
  assert.equal(ago(new Date(2026, 2, 17, 23), now, "de"), "gestern");
  assert.equal(ago(new Date(now.getTime() + 5000), now, "en"), "now", "a clock that runs ahead is not the future");
});

test("days are counted by midnights", () => {
  const of = (...then) => stretch(new Date(2026, ...then), now);
  assert.deepEqual(
    [of(2, 18, 0, 1), of(2, 17, 23, 59), of(2, 16), of(2, 12), of(2, 11)],
    ["today", "yesterday", "week", "week", "earlier"],
  );
});

test("moments to be reminded at lie in the future and make sense at any hour", () => {
  const keys = (...from) => snoozeChoices(new Date(2026, ...from)).map(({ key }) => key);
  assert.deepEqual(keys(2, 18, 14), ["hour", "evening", "tomorrow", "monday"]);
  assert.deepEqual(keys(2, 18, 20), ["hour", "tomorrow", "monday"], "no evening in the evening");
  assert.deepEqual(keys(2, 22, 10), ["hour", "evening", "tomorrow"], "on a Sunday, tomorrow is Monday");
  for (let hour = 0; hour < 24 * 7; hour++) {
    const from = new Date(2026, 2, 16, hour);
    for (const { key, at } of snoozeChoices(from)) assert.ok(at > from, `${key} at ${from}`);
  }
  assert.match(coming(new Date(2026, 2, 18, 18), now, "en"), /^6:00\sPM$/);
  assert.match(coming(new Date(2026, 2, 19, 9), now, "en"), /^Thu, 9:00/);
});

test("numbers choose the sentence by the rules of the language", () => {
  assert.equal(speaker("en")("bell", { n: 0 }), "Notifications");
  assert.equal(speaker("en")("bell", { n: 1200 }), "Notifications, 1,200 unread");
  addMessages("xx", { all: "Tutti" });
  assert.equal(speaker("xx-YY")("all"), "Tutti", "a region falls back to its language");
  assert.equal(speaker("xx")("archive"), "Archive", "what is not translated is said in English");
});

test("every catalogue says everything, with the same placeholders", async () => {
  for (const file of readdirSync(MESSAGES).filter((name) => name.endsWith(".js"))) {
    const { default: catalogue } = await import(join(MESSAGES, file));
    assert.deepEqual(placeholders(catalogue), placeholders(ENGLISH), file);
  }
});

/** What each sentence leaves open, but for the count, which a plural may spell out. */
const placeholders = (catalogue) =>
  Object.fromEntries(
    Object.entries(catalogue)
      .map(([key, said]) => [key, [...new Set(JSON.stringify(said).match(/\{(?!n\})\w+\}/g))].sort().join()])
      .sort(),
  );

test("a category without a title is still said in words", () => {
  assert.deepEqual(["order.shipped", "2fa", "team_invite:new"].map(humanize), [
    "Order shipped",
    "2fa",
    "Team invite new",
  ]);
});
