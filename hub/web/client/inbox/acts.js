/**
 * What a click does: the hub's verbs, with a word about what happened and a way back.
 *
 * The list shows a change before the hub has it; a refusal is told by the hub's `error` event, in one place, and not by
 * each verb here.
 */

import { safeLink } from "./links.js";
import { coming } from "./time.js";

/**
 * @typedef {import("../hub.js").Notification} Notification
 *
 * @typedef {object} Stage
 * @property {EventTarget} host fires `hub-open` and `hub-action`
 * @property {() => import("../hub.js").Hub} hub
 * @property {() => import("./entry.js").Context} context
 * @property {import("./snackbar.js").Snackbar} snackbar
 * @property {import("./snooze.js").SnoozeMenu} menu
 */

/**
 * @param {Stage} stage
 * @returns {import("./entry.js").EntryActions & { readAll: () => void }}
 */
export function actsOf({ host, hub, context, snackbar, menu }) {
  const say = (/** @type {string} */ key, values = {}) => context().say(key, values);
  const undo = (/** @type {() => void} */ act) => ({ label: say("undo"), act });

  /** Tell the page, which may take over. @param {string} type @param {object} detail */
  const allowed = (type, detail) =>
    host.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable: true }));

  return {
    open(item, event) {
      if (!item.read) hub().read(item.id);
      if (!allowed("hub-open", { notification: item })) return event.preventDefault();
      const clicked = /** @type {Element} */ (event.target).closest("a");
      const link = safeLink(item.action_url, context().links);
      if (link && !clicked) follow(link, context().links.base);
    },

    choose(item, action, event) {
      if (!item.read) hub().read(item.id);
      if (!allowed("hub-action", { notification: item, action })) event.preventDefault();
    },

    toggleRead: ({ id, read }) => void (read ? hub().unread(id) : hub().read(id)),

    toggleArchived({ id, archived }) {
      if (archived) {
        hub().unarchive(id);
        return snackbar.show(
          say("did_unarchive"),
          undo(() => hub().archive(id)),
        );
      }
      hub().archive(id);
      snackbar.show(
        say("did_archive"),
        undo(() => hub().unarchive(id)),
      );
    },

    snooze(item, anchor) {
      menu.open(anchor, context(), (when) => {
        hub().snooze(item.id, when);
        const time = coming(when, new Date(), context().language);
        snackbar.show(
          say("did_snooze", { time }),
          undo(() => hub().unsnooze(item.id)),
        );
      });
    },

    unsnooze: ({ id }) => void hub().unsnooze(id),

    remove({ id }) {
      hub().remove(id);
      snackbar.show(say("did_remove"));
    },

    readAll() {
      hub().readAll();
      snackbar.show(say("all_read"));
    },
  };
}

/** Open an address as its link would. @param {URL} link @param {string} base */
function follow(link, base) {
  if (link.origin === new URL(base).origin) location.assign(link);
  else open(link, "_blank", "noopener,noreferrer");
}
