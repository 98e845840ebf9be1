/**
 * The system behind the page: its nodes, the users' tokens, and a way to ask that survives the death of a node.
 *
 * The page came from one node, but any can answer: `ask` tries them in turn. What it sends carries an Idempotency-Key,
 * so a publish that a dying node had already stored is answered by the next one, and not stored twice.
 */

const ATTEMPTS = 3;
const PAUSE_MS = 400;
const TIMEOUT_MS = 5000;
const TOKEN_MS = 50 * 60_000;

/** Say hello to the node that served the page. */
export async function open() {
  const answer = await fetch("/demo/session", { method: "POST" });
  if (!answer.ok) throw new Error(`the node answered ${answer.status}`);
  return new System(await answer.json());
}

/** @typedef {{ ok: boolean, status: number, said: any }} Answer */

export class System {
  #issued = Date.now();

  /** @param {{ nodes: string[], tokens: Record<string, string>, pids: Record<string, number>, dashboard: string | null,
   *   outbox: boolean }} session */
  constructor({ nodes, tokens, pids, dashboard, outbox }) {
    const own = nodes.find((node) => node === location.origin) ?? nodes[0];
    this.nodes = nodes;
    this.tokens = tokens;
    this.pids = pids;
    this.dashboard = dashboard;
    this.outbox = outbox;
    this.order = [own, ...nodes.filter((node) => node !== own)];
  }

  /** A user's token, new before the old one runs out: the page may stay open for days. @param {string} user */
  async token(user) {
    if (Date.now() - this.#issued > TOKEN_MS) await this.refresh();
    return this.tokens[user];
  }

  /** Ask for new tokens, and for the pids as they are now. */
  async refresh() {
    const session = await this.ask("/demo/session", { method: "POST" });
    Object.assign(this, { tokens: session.tokens, pids: session.pids });
    this.#issued = Date.now();
  }

  /**
   * Ask the first node that answers.
   * @param {string} path
   * @param {RequestInit} [options]
   * @param {number} [avoid] a node that is not asked unless it is the only one
   * @returns {Promise<any>}
   */
  async ask(path, options = {}, avoid = -1) {
    const others = this.order.filter((node) => node !== this.nodes[avoid]);
    const asked = others.length ? others : this.order;
    for (let attempt = 0; attempt < ATTEMPTS * asked.length; attempt++) {
      if (attempt && attempt % asked.length === 0) await new Promise((done) => setTimeout(done, PAUSE_MS));
      const answer = await this.#fetch(asked[attempt % asked.length] + path, options);
      if (answer) return unwrap(answer);
    }
    throw new Error("no node answers");
  }

  /**
   * @param {string} url
   * @param {RequestInit} options
   * @returns {Promise<Answer | null>} null when nothing came back, or not all of it
   */
  async #fetch(url, options) {
    try {
      const answer = await fetch(url, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
      return { ok: answer.ok, status: answer.status, said: await answer.json() };
    } catch {
      return null;
    }
  }
}

/** @param {Answer} answer */
function unwrap({ ok, status, said }) {
  if (!ok) throw new Error(said.detail ?? `the node answered ${status}`);
  return said;
}
