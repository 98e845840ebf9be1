/**
 * State that can be watched: an immutable `state`, replaced as a whole, and typed events beside it.
 *
 * `subscribe` is the store contract of Svelte, and fits `useSyncExternalStore` and signals as it is. Events are the
 * platform's own: an application that knows `addEventListener` knows this client.
 */

/** @template State */
export class Observable extends EventTarget {
  /** @type {State} */
  state;

  /** @param {State} state */
  constructor(state) {
    super();
    this.state = state;
  }

  /**
   * Call back now and after every change; return how to stop.
   * @param {(state: State) => void} listener
   */
  subscribe(listener) {
    const call = () => listener(this.state);
    this.addEventListener("change", call);
    call();
    return () => this.removeEventListener("change", call);
  }

  /**
   * @param {string} type
   * @param {unknown} detail
   */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {Partial<State>} patch */
  set(patch) {
    this.state = { ...this.state, ...patch };
    this.emit("change", this.state);
  }
}
