/** A consumer of the package, compiled and never run: the types must be enough to use everything, and no more lenient. */

import { connect, type Hub, type HubState, type Notification } from "notification-hub-client";
import { addMessages, HubBell, registerIcon } from "notification-hub-client/inbox";
import { enableDesktop, enablePush } from "notification-hub-client/push";
import "notification-hub-client/messages/de.js";

const hub: Hub = connect({ url: "https://hub.example.com", getToken: async () => "jwt", transport: "auto" });
const stop: () => void = hub.subscribe(({ connection, unread }: HubState) => console.log(connection, unread + 1));
hub.addEventListener("notification", ({ detail }) => console.log(detail.notification.title, detail.replayed));
hub.addEventListener("error", ({ detail }) => console.log(detail.status, detail.message));

const list = hub.list({ filter: "unread", category: "order.shipped" });
list.subscribe(({ items, more, error }) => console.log(items.map((item: Notification) => item.id), more, error?.message));
await list.load();
const { seq } = await hub.snooze("ntf_1", new Date());
await hub.readAll(seq);

const bell = document.querySelector("hub-bell");
if (bell instanceof HubBell) bell.hub = hub;
document.addEventListener("hub-open", (event) => (event as CustomEvent).preventDefault());
bell?.addEventListener("hub-action", ({ detail }) => console.log(detail.action.id));
registerIcon(/^order/, { name: "package", tint: "blue" });
addMessages("en", { all: "Everything", new_pill: { one: "{n} new", other: "{n} new" } });
const token: string | null = await enablePush(hub, { getPushToken: async ({ scope }) => scope });
(await enableDesktop(hub))?.();
stop();

// @ts-expect-error there is no such transport
connect({ transport: "carrier-pigeon" });
// @ts-expect-error the state is replaced by the hub, never by its users
hub.state.unread = token;
// @ts-expect-error there is no such filter
hub.list({ filter: "lost" });
