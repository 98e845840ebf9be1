/** The public types of hub-inbox.js. */

import type { Action, Hub, Notification } from "./hub.js";

/**
 * `<hub-inbox>`: a user's notifications, live. As high as what it stands in.
 *
 * Attributes: `theme` (`light`, `dark`; default: the user's), `lang` (default: of the page), `link-origins` and
 * `image-origins` (origins, separated by spaces, that links may lead to and pictures may come from, beside the page's
 * own; without `link-origins` any web address).
 * Slot: `actions`, buttons of your own in the header. Fires `hub-open`, `hub-action` (both cancelable) and `hub-close`.
 */
export class HubInbox extends HTMLElement {
  /** The connected hub whose inbox is shown; several elements may share one. */
  hub: Hub | null;
  /** Open a tab. */
  show(filter: "all" | "unread" | "archived" | "snoozed"): void;
}

/**
 * `<hub-bell>`: a bell with a badge, and an inbox in a popover. Takes the attributes of `<hub-inbox>`, and
 * `count="unseen"` for a badge that counts what arrived since the inbox was last looked at, not what is unread.
 * Slot: `icon`. Fires `hub-toggle` beside the inbox's events.
 */
export class HubBell extends HTMLElement {
  hub: Hub | null;
  readonly open: boolean;
  toggle(): void;
}

/** Sentences by key, each with {placeholders}, or one per plural category; see inbox/messages.js for the keys. */
export type Catalogue = Record<string, string | Partial<Record<Intl.LDMLPluralRule | "0", string>>>;

/** Add a language, or replace sentences of one. */
export function addMessages(language: string, catalogue: Catalogue): void;

/** Give the categories that match a look of their own: an icon by name, or by a path on a grid of 24. */
export function registerIcon(
  pattern: RegExp,
  look: { name?: string; path?: string; tint?: "grey" | "blue" | "green" | "amber" | "rose" | "violet" | "teal" },
): void;

declare global {
  interface HTMLElementTagNameMap {
    "hub-inbox": HubInbox;
    "hub-bell": HubBell;
  }
  interface HTMLElementEventMap {
    /** The user opened a notification; cancel it to navigate yourself. */
    "hub-open": CustomEvent<{ notification: Notification }>;
    /** The user pressed one of its buttons. */
    "hub-action": CustomEvent<{ notification: Notification; action: Action }>;
    "hub-toggle": CustomEvent<{ open: boolean }>;
    "hub-close": Event;
  }
}
