/**
 * Notifications outside the page: web push while no tab is open, desktop notifications while one is in the background.
 *
 * Both ask for permission and therefore belong into a click. A push that is read elsewhere is taken off the screen here,
 * as soon as a tab hears of it. FCM's own script stays the application's choice: it is only asked for a token.
 */

const DEVICE = "hub device";
/** Changes after which nobody needs to be told any more. */
const DONE = ["read", "archived", "snoozed", "expired", "recalled", "deleted"];
/** A lock that every tab somebody looks at holds, shared: so the leading tab knows when to keep quiet. */
const LOOKED_AT = "hub looked at";

/**
 * Register this browser for web push; resolves to the token, or null where the user or the browser says no.
 * @type {import("./hub-push.js").enablePush}
 */
export async function enablePush(hub, { getPushToken, serviceWorker = new URL("./hub-sw.js", import.meta.url).href }) {
  if (!("serviceWorker" in navigator) || !("PushManager" in globalThis)) return null;
  if ((await Notification.requestPermission()) !== "granted") return null;
  const registration = await navigator.serviceWorker.register(serviceWorker);
  const token = await getPushToken(registration);
  const before = localStorage.getItem(DEVICE);
  await hub.request("PUT", `/v1/devices/${encodeURIComponent(token)}`, { platform: "web", kind: "token" });
  if (before && before !== token) await forget(hub, before);
  localStorage.setItem(DEVICE, token);
  clearPushes(hub, registration);
  return token;
}

/**
 * Take this browser off the user's devices: call it when they sign out.
 * @type {import("./hub-push.js").disablePush}
 */
export async function disablePush(hub) {
  const token = localStorage.getItem(DEVICE);
  localStorage.removeItem(DEVICE);
  if (token) await forget(hub, token);
}

/**
 * Show desktop notifications while no tab of the browser is looked at; returns how to stop, or null without permission.
 * @type {import("./hub-push.js").enableDesktop}
 */
export async function enableDesktop(hub, { icon } = {}) {
  if (!("Notification" in globalThis) || (await Notification.requestPermission()) !== "granted") return null;
  /** @type {Map<string, Notification>} */
  const shown = new Map();
  const life = new AbortController();
  declare(life.signal);
  hub.addEventListener(
    "notification",
    ({ detail: { change, replayed, notification } }) => {
      if (DONE.includes(change)) close(shown, notification.id);
      // The leader speaks for all tabs, or each of them would.
      if (change === "created" && !replayed && hub.state.leader) void tell(shown, notification, icon);
    },
    life,
  );
  hub.addEventListener("inbox", ({ detail }) => detail.change === "read_all" && closeAll(shown), life);
  return () => life.abort();
}

/** Hold the shared lock while somebody looks at this tab. @param {AbortSignal} signal */
function declare(signal) {
  let release = () => {};
  const look = () => {
    release();
    if (document.hidden || signal.aborted) return;
    const looking = new Promise((resolve) => (release = () => resolve(undefined)));
    void navigator.locks?.request(LOOKED_AT, { mode: "shared" }, () => looking);
  };
  document.addEventListener("visibilitychange", look, { signal });
  signal.addEventListener("abort", () => release());
  look();
}

async function isLookedAt() {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return !document.hidden || held.some(({ name }) => name === LOOKED_AT);
}

/** @param {Map<string, Notification>} shown @param {import("./hub.js").Notification} notification @param {string} [icon] */
async function tell(shown, notification, icon) {
  if (!(await isLookedAt())) show(shown, notification, icon);
}

/** @param {Map<string, Notification>} shown @param {import("./hub.js").Notification} notification @param {string} [icon] */
function show(shown, { id, title, body }, icon) {
  const made = new Notification(title, { body: body ?? "", tag: id, icon });
  shown.set(id, made);
  made.onclose = () => shown.delete(id);
  made.onclick = () => (focus(), made.close());
}

/** @param {Map<string, Notification>} shown */
function closeAll(shown) {
  for (const id of [...shown.keys()]) close(shown, id);
}

/** @param {Map<string, Notification>} shown @param {string} id */
function close(shown, id) {
  shown.get(id)?.close();
  shown.delete(id);
}

/** Take pushes off the screen once their notification is read or gone. @param {import("./hub.js").Hub} hub @param {ServiceWorkerRegistration} registration */
function clearPushes(hub, registration) {
  hub.addEventListener("notification", ({ detail: { change, notification } }) => {
    if (DONE.includes(change)) registration.active?.postMessage({ clear: [notification.id] });
  });
  hub.addEventListener("inbox", ({ detail: { change } }) => {
    if (change === "read_all") registration.active?.postMessage({ clear: "all" });
  });
}

/** Take a token off the user's devices; one that is gone already, for FCM refused it, is as good. @param {import("./hub.js").Hub} hub @param {string} token */
const forget = (hub, token) =>
  hub.request("DELETE", `/v1/devices/${encodeURIComponent(token)}`).catch((error) => {
    if (error.status !== 404) throw error;
  });
