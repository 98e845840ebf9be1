/** The public types of hub-push.js. */

import type { Hub } from "./hub.js";

export interface PushOptions {
  /** Ask FCM for a token, with the registration it is to push to: `getToken(messaging, { serviceWorkerRegistration })`. */
  getPushToken: (registration: ServiceWorkerRegistration) => Promise<string>;
  /** Where hub-sw.js is served; it must be of the page's origin. Default: beside this module. */
  serviceWorker?: string;
}

/** Register this browser for web push, on a click; null where the user or the browser says no. */
export function enablePush(hub: Hub, options: PushOptions): Promise<string | null>;
/** Take this browser off the user's devices, when they sign out. */
export function disablePush(hub: Hub): Promise<void>;
/** Show desktop notifications while nobody looks; on a click. Resolves to how to stop, or null without permission. */
export function enableDesktop(hub: Hub, options?: { icon?: string }): Promise<(() => void) | null>;
