/**
 * The two ways to listen. Each opens one stream, hands over frames as text, and says once why it ended.
 *
 * WebSocket authenticates by its first frame: a token in the URL would be logged, one in the subprotocol is limited to
 * its characters. SSE is read through fetch rather than EventSource, which can send no header, hides why it was refused
 * and gives up for good at the first 502 of a deployment.
 */

import { codeOf } from "./closing.js";
import { retryAfter } from "./backoff.js";

/**
 * @typedef {object} Opening
 * @property {string} url the hub's address
 * @property {URLSearchParams} query cursor, snapshot size, ticket
 * @property {string} [token]
 * @property {RequestCredentials} [credentials]
 * @property {(text: string) => void} receive
 * @property {(milliseconds: number) => void} retry how long SSE asks to stay away after a loss
 * @property {(end: End) => void} ended
 *
 * @typedef {object} End
 * @property {number} [code] a close code; 0 is a lost network
 * @property {number} [after] milliseconds to stay away
 * @property {boolean} [reconnect]
 * @property {string} [reason]
 *
 * @typedef {object} Stream
 * @property {(command: object) => void} send WebSocket only; SSE has no way back
 * @property {() => void} close
 */

/**
 * @param {Opening} opening
 * @returns {Stream}
 */
export function openWebSocket({ url, query, token, receive, ended }) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws?${query}`, "hub.v1");
  const send = (/** @type {object} */ command) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(command));
  };
  socket.onopen = () => token && send({ t: "auth", token });
  socket.onmessage = ({ data }) => receive(data);
  socket.onclose = ({ code }) => ended({ code });
  return { send, close: () => socket.close() };
}

/**
 * @param {Opening} opening
 * @returns {Stream}
 */
export function openEventStream(opening) {
  const abort = new AbortController();
  readEventStream(opening, abort.signal).then(opening.ended, () => opening.ended({}));
  return { send() {}, close: () => abort.abort() };
}

/**
 * @param {Opening} opening
 * @param {AbortSignal} signal
 * @returns {Promise<End>}
 */
async function readEventStream({ url, query, token, credentials, receive, retry }, signal) {
  const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
  const response = await fetch(`${url}/v1/stream?${query}`, {
    headers,
    signal,
    credentials,
    cache: "no-store",
  });
  if (!response.ok || !response.body) return { code: codeOf(response.status), after: retryAfter(response) };
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = eventParser(receive, retry);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return {};
    parse(value);
  }
}

/**
 * Make a parser of text/event-stream that takes chunks as they come. `event:` and `id:` repeat what the JSON says and
 * are skipped.
 * @param {(data: string) => void} receive
 * @param {(milliseconds: number) => void} retry
 */
export function eventParser(receive, retry) {
  let rest = "";
  let data = "";
  return (/** @type {string} */ chunk) => {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = /** @type {string} */ (lines.pop());
    for (const line of lines) {
      if (line.startsWith("data:")) data += line.slice(5);
      else if (line.startsWith("retry:")) retry(+line.slice(6));
      else if (!line && data) {
        receive(data);
        data = "";
      }
    }
  };
}
