/**
 * The service worker of web push: shows what FCM brings, opens what is clicked, and clears what was read elsewhere.
 *
 * It caches nothing and answers no request. One notification on the screen per notification of the hub: repetitions
 * carry the same tag. A link is followed only to where a page of ours could lead: web addresses.
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("push", (event) => event.waitUntil(show(event.data?.json() ?? {})));
worker.addEventListener("message", (event) => event.waitUntil(clear(event.data?.clear)));
worker.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.link));
});

/** @param {{ notification?: Record<string, string>, data?: Record<string, string>, fcmOptions?: { link?: string } }} push */
async function show({ notification = {}, data = {}, fcmOptions = {} }) {
  const { title = "", body, icon, tag } = notification;
  const link = fcmOptions.link ?? data.action_url ?? "/";
  await worker.registration.showNotification(title, { body, icon, tag, data: { id: data.notification_id, link } });
}

/** @param {"all" | string[] | undefined} ids */
async function clear(ids) {
  for (const shown of await worker.registration.getNotifications()) {
    if (ids === "all" || ids?.includes(shown.data?.id)) shown.close();
  }
}

/** Bring the page that is there, or open one. @param {string} link */
async function open(link) {
  const url = new URL(link, worker.location.origin);
  if (!["http:", "https:"].includes(url.protocol)) return;
  const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((client) => client.url === url.href);
  if (page) await page.focus();
  else await worker.clients.openWindow(url.href);
}
