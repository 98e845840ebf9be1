/**
 * One filtered view of the inbox, newest first: pages come over HTTP, changes by themselves.
 *
 * It shows everything from its floor on, a `created_seq` above which nothing of its kind is missing; loading a page
 * lowers the floor. While it is rebuilt after a resync it keeps what it showed. The snapshot inside `hello` is the
 * first page of a list without filters, so that the common inbox needs no request at all.
 */

import { Observable } from "./observable.js";

const MAX_PAGE = 100;

/**
 * @typedef {import("../hub.js").ListState} ListState
 *
 * @typedef {object} Source
 * @property {number} pageSize
 * @property {(query: import("./inbox.js").Query, floor: number) => import("./inbox.js").Item[]} select
 * @property {(query: Record<string, any>) => Promise<{ items: any[], next_cursor: string | null }>} fetchPage
 * @property {(list: List) => void} forget
 */

/** @extends {Observable<ListState>} */
export class List extends Observable {
  #source;
  #query;
  #floor = Infinity;
  #cursor = "";
  #turn = 0;

  /**
   * @param {Source} source
   * @param {import("./inbox.js").Query} query
   */
  constructor(source, query) {
    const plain = !query.category && !query.tag && (query.filter ?? "all") === "all";
    super({ items: [], more: true, loading: plain, error: null });
    this.#source = source;
    this.#query = query;
    /** The snapshot inside `hello` is its first page, and it waits for that. */
    this.plain = plain;
  }

  /** Whether there is anything to show yet. */
  get empty() {
    return this.#floor === Infinity;
  }

  /**
   * Show what the source holds from this `created_seq` on.
   * @param {number} floor
   */
  adopt(floor) {
    this.#turn++;
    this.#floor = floor;
    this.set({ more: floor > 0, loading: false, error: null });
    this.refresh();
  }

  /** Show what changed. */
  refresh() {
    if (!this.empty) this.set({ items: this.#source.select(this.#query, this.#floor) });
  }

  /** Build it again from its first page. */
  reset() {
    this.#turn++;
    this.#floor = Infinity;
    this.#cursor = "";
    this.set({ more: true, loading: false, error: null });
    return this.load();
  }

  /** Load the next page, or try again to. */
  async load() {
    if (this.state.loading || !this.state.more) return;
    const turn = this.#turn;
    this.set({ loading: true, error: null });
    try {
      const page = await this.#source.fetchPage(this.#page());
      if (turn === this.#turn) this.#take(page);
    } catch (error) {
      if (turn === this.#turn) this.set({ loading: false, error: /** @type {Error} */ (error) });
    }
  }

  close() {
    this.#source.forget(this);
  }

  #page() {
    if (this.#cursor)
      return {
        ...this.#query,
        limit: this.#source.pageSize,
        cursor: this.#cursor,
      };
    // A snapshot brings no cursor: the page after it begins at the top again.
    const shown = this.empty ? 0 : this.state.items.length;
    return {
      ...this.#query,
      limit: Math.min(MAX_PAGE, this.#source.pageSize + shown),
    };
  }

  /** @param {{ items: any[], next_cursor: string | null }} page */
  #take({ items, next_cursor }) {
    this.#cursor = next_cursor ?? "";
    this.adopt(next_cursor ? items[items.length - 1].created_seq : 0);
  }
}
