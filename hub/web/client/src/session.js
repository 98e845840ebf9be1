/**
 * Who the user is and how to ask the hub: the token, kept until it is refused, and HTTP calls that carry it.
 *
 * Three ways to be known: `getToken` (a JWT the application fetches), `getTicket` (a single-use ticket for the stream,
 * where the page must not see a token; HTTP then relies on the cookie), or the cookie alone.
 */

import { retryAfter } from "./backoff.js";

const TIMEOUT_MS = 15_000;

export class Session {
  #options;
  /** @type {Promise<string | undefined> | undefined} */
  #token;

  /** @param {import("../hub.js").Options} options */
  constructor(options) {
    this.#options = options;
    this.url = new URL(options.url ?? "/", globalThis.location?.href).href.replace(/\/$/, "");
  }

  /** A cookie is sent along only where it is what the user is known by. @returns {RequestCredentials} */
  get credentials() {
    return this.#options.getToken ? "same-origin" : "include";
  }

  /** The application's token; asked for once, and again after `forget`. @returns {Promise<string | undefined>} */
  async token() {
    try {
      return await (this.#token ??= this.#ask());
    } catch (error) {
      this.#token = undefined;
      throw error;
    }
  }

  forget() {
    this.#token = undefined;
  }

  /** Name the user, so that two users in one browser stay apart. */
  async user() {
    return this.#options.user ?? subject(await this.token());
  }

  /** What a stream needs to open: a ticket for the query, or the token. @param {URLSearchParams} query */
  async authorize(query) {
    const { getTicket } = this.#options;
    if (!getTicket) return { token: await this.token() };
    query.set("ticket", await getTicket());
    return {};
  }

  /**
   * Call the API; a refused token is replaced once.
   * @type {import("../hub.js").Hub["request"]}
   */
  async request(method, path, body) {
    const response = await this.#fetch(method, path, body);
    if (response.status !== 401 || !this.#options.getToken) return read(response);
    this.forget();
    return read(await this.#fetch(method, path, body));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   */
  async #fetch(method, path, body) {
    const token = await this.token();
    return fetch(this.url + path, {
      method,
      headers: {
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(body && { "Content-Type": "application/json" }),
      },
      body: body && JSON.stringify(body),
      credentials: this.credentials,
      keepalive: method !== "GET", // a click may mark as read and leave the page
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  }

  async #ask() {
    return this.#options.getToken?.();
  }
}

/** @param {Response} response */
async function read(response) {
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const { status } = response;
  const message = answer?.detail ?? `the hub answered ${status}`;
  throw Object.assign(new Error(message), {
    status,
    problem: answer,
    after: retryAfter(response),
  });
}

/** Read tenant and subject of a JWT without checking it: only the hub does. @param {string} [token] */
function subject(token = "") {
  try {
    const { tenant = "", sub } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    return `${tenant} ${sub}`;
  } catch {
    return "";
  }
}
