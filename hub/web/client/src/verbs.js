/**
 * What a user can do to an inbox: the call of the API, and what it will make of each item until the frame says so.
 *
 * Pure. A change of everything goes by the same comparison as the server's watermark (PROTOCOL: data model), so what is
 * shown at once is what comes back.
 *
 * @typedef {import("./changes.js").Request} Request
 * @typedef {import("./inbox.js").Item} Item
 */

/**
 * @param {string} verb
 * @param {Partial<Item>} patch
 * @returns {(id: string) => Request}
 */
const change = (verb, patch) => (id) => ({ path: `${id}/${verb}`, patch: (item) => item.id === id && patch });

export const read = change("read", { read: true, seen: true });
export const unread = change("unread", { read: false });
export const archive = change("archive", { archived: true, seen: true });
export const unarchive = change("unarchive", { archived: false });
export const unsnooze = change("unsnooze", { snoozed_until: null, read: false }); // it comes back as news

/** @param {string} id @param {Date | string} when @returns {Request} */
export function snooze(id, when) {
  const until = new Date(when).toISOString();
  return { ...change("snooze", { snoozed_until: until })(id), body: { until } };
}

/** @param {string} id @returns {Request} */
export const remove = (id) => ({ method: "DELETE", path: id, patch: (item) => item.id === id && { gone: true } });

/** @param {number} up_to @returns {Request} */
export const readAll = (up_to) => ({
  path: "read-all",
  body: { up_to },
  patch: (item) => item.read_seq <= up_to && { read: true, seen: true },
});

/** @param {number} up_to @returns {Request} */
export const seen = (up_to) => ({
  path: "seen",
  quiet: true,
  body: { up_to },
  patch: (item) => item.created_seq <= up_to && { seen: true },
});

/** @returns {Request} */
export const archiveRead = () => ({ path: "archive-read", patch: (item) => item.read && { archived: true } });
