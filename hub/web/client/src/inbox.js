/**
 * What is known of one inbox: the newest version of each notification, the counts, and changes on their way.
 *
 * The rule of hub.v1 for clients, without I/O: a frame is applied iff its seq is above ours; an item is replaced iff the
 * other version is not older, so pages, snapshots and frames may arrive in any order; counts are copied from whatever
 * was true last and never computed. Removed items stay as tombstones, or a page that was on its way would revive them.
 *
 * @typedef {import("../hub.js").Notification} Notification
 * @typedef {Notification & { gone?: boolean }} Item
 * @typedef {{ filter?: "all" | "unread" | "archived" | "snoozed", category?: string, tag?: string }} Query
 */

const REMOVALS = ["expired", "recalled", "deleted"];
const CHANGES = ["notification", "inbox"];

/** What each filter of `GET /v1/inbox` lists. @type {Record<string, (item: Item) => unknown>} */
const FILTERS = {
  all: (item) => !item.archived && !item.snoozed_until,
  unread: (item) => !item.archived && !item.snoozed_until && !item.read,
  archived: (item) => item.archived,
  snoozed: (item) => !item.archived && item.snoozed_until,
};

export class Inbox {
  epoch = "";
  seq = 0;
  unread = 0;
  unseen = 0;
  read_seq = 0;
  seen_seq = 0;
  /** All that is neither archived nor snoozed is known from this `created_seq` on. */
  floor = Infinity;
  /** @type {Map<string, Item>} */
  #items = new Map();
  #counted = 0;

  /**
   * Begin at a cursor, knowing nothing.
   * @param {{ epoch: string, seq: number }} cursor
   */
  start({ epoch, seq }) {
    Object.assign(this, {
      epoch,
      seq,
      read_seq: 0,
      seen_seq: 0,
      floor: Infinity,
    });
    this.#counted = 0;
    this.#items.clear();
  }

  /**
   * Apply a frame of the server; return whether it was news.
   * @param {any} frame
   */
  apply(frame) {
    const seq = frame.seq ?? frame.to;
    if (frame.t === "resync" || (frame.t === "hello" && !this.epoch)) this.start(frame);
    else if (frame.t === "resumed") this.seq = Math.max(this.seq, seq);
    else if (CHANGES.includes(frame.t)) {
      if (!(seq > this.seq)) return false;
      this.seq = seq;
    } else if (frame.t !== "hello") return false;
    if (frame.notification)
      this.put({
        ...frame.notification,
        gone: REMOVALS.includes(frame.change),
      });
    if (frame.items) this.floor = frame.floor;
    for (const item of frame.items ?? []) this.put(item);
    this.count({ ...frame, seq });
    return true;
  }

  /** @param {Item} item */
  put(item) {
    const known = this.#items.get(item.id);
    if (!known || known.seq <= item.seq) this.#items.set(item.id, item);
  }

  /**
   * Take counts that were exact at `seq`; the watermarks only rise.
   * @param {{ seq: number, unread: number, unseen: number, read_seq?: number, seen_seq?: number }} counts
   */
  count({ seq, unread, unseen, read_seq = 0, seen_seq = 0 }) {
    this.read_seq = Math.max(this.read_seq, read_seq);
    this.seen_seq = Math.max(this.seen_seq, seen_seq);
    if (seq < this.#counted) return;
    this.#counted = seq;
    this.unread = unread;
    this.unseen = unseen;
  }

  /**
   * List what a query shows, newest first, with pending changes laid over it.
   * @param {Query} query
   * @param {number} floor the lowest `created_seq` to show
   * @param {(item: Item) => Item} overlay
   * @returns {Item[]}
   */
  select({ filter = "all", category, tag }, floor, overlay) {
    return [...this.#items.values()]
      .filter((item) => item.created_seq >= floor)
      .filter((item) => (!category || item.category === category) && (!tag || item.tags?.includes(tag)))
      .map((item) => overlay(this.#current(item)))
      .filter((item) => !item.gone && FILTERS[filter](item))
      .sort((a, b) => b.created_seq - a.created_seq);
  }

  /** Render it as the `hello` another tab can start from. */
  greeting() {
    const { epoch, seq, unread, unseen, read_seq, seen_seq, floor } = this;
    const items = [...this.#items.values()].filter((item) => item.created_seq >= floor);
    return {
      t: "hello",
      epoch,
      seq,
      unread,
      unseen,
      read_seq,
      seen_seq,
      floor,
      items,
    };
  }

  /** An item as the watermarks make it. @param {Item} item @returns {Item} */
  #current(item) {
    const read = item.read || item.read_seq <= this.read_seq;
    return {
      ...item,
      read,
      seen: item.seen || read || item.created_seq <= this.seen_seq,
    };
  }
}
