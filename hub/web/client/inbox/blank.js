/** What stands in the list's place while there is no list: skeletons, an empty inbox, or an error with a way out. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

const ROWS = 5;
/** @type {Record<string, string>} */
const PICTURES = { all: "bell", unread: "checks", archived: "archive", snoozed: "moon" };

/**
 * @param {import("../hub.js").ListState} state
 * @param {string} filter
 * @param {(key: string) => string} say
 * @param {() => void} retry
 * @returns {Node[]}
 */
export function blank({ items, more, loading, error }, filter, say, retry) {
  if (items.length) return [];
  if (error) return [failure(error, say, retry)];
  return more || loading ? skeletons(say) : [emptiness(filter, say)];
}

/** @param {(key: string) => string} say */
function skeletons(say) {
  const row = () =>
    h(
      "div",
      { class: "skeleton" },
      h("span", { class: "bone round" }),
      h("div", {}, h("span", { class: "bone" }), h("span", { class: "bone short" })),
    );
  return [h("span", { class: "hidden" }, say("loading")), ...Array.from({ length: ROWS }, row)];
}

/** @param {string} filter @param {(key: string) => string} say */
function emptiness(filter, say) {
  const picture = h("div", { class: "picture" }, icon(PICTURES[filter]));
  return h(
    "div",
    { class: "empty", part: "empty" },
    picture,
    h("p", { class: "lead" }, say(`empty_${filter}`)),
    h("p", {}, say(`empty_${filter}_hint`)),
  );
}

/** @param {Error} error @param {(key: string) => string} say @param {() => void} retry */
function failure({ message }, say, retry) {
  const picture = h("div", { class: "picture warn" }, icon("warning"));
  const again = h("button", { type: "button", class: "choice first", onclick: retry }, say("try_again"));
  return h(
    "div",
    { class: "empty", part: "error", role: "alert" },
    picture,
    h("p", { class: "lead" }, say("failed")),
    h("p", { dir: "auto" }, message),
    again,
  );
}
