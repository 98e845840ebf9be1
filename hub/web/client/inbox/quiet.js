/** Quiet hours: a switch, and while it is on a time to begin, a time to end, and the zone they are meant in. */

import { h } from "./dom.js";

const USUAL = { start: "22:00", end: "07:00" };

/**
 * @param {import("./preferences.js").QuietHours | null} hours
 * @param {import("./preferences.js").Say} say
 * @param {(hours: import("./preferences.js").QuietHours | null) => void} save
 */
export function quietHours(hours, say, save) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const toggle = h("input", {
    type: "checkbox",
    role: "switch",
    class: "switch",
    part: "switch",
    id: "quiet",
    checked: hours !== null,
    "aria-describedby": "quiet-hint",
    onchange: () => save(toggle.checked ? { ...USUAL, timezone: here } : null),
  });
  const title = h("label", { for: "quiet", class: "lead" }, say("quiet_hours"));
  const head = h(
    "div",
    { class: "quiet-head" },
    h("div", {}, title, h("small", { id: "quiet-hint" }, say("quiet_hours_hint"))),
    toggle,
  );
  return h("section", { class: "quiet", part: "quiet-hours" }, head, hours && fields(hours, here, say, save));
}

/**
 * @param {import("./preferences.js").QuietHours} hours
 * @param {string} here
 * @param {import("./preferences.js").Say} say
 * @param {(hours: import("./preferences.js").QuietHours) => void} save
 */
function fields(hours, here, say, save) {
  const change = (/** @type {string} */ name) => (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLInputElement} */ (event.target);
    if (value) save({ ...hours, [name]: value });
  };
  const time = (/** @type {"start" | "end"} */ name, /** @type {string} */ label) =>
    h(
      "label",
      {},
      h("span", {}, label),
      h("input", { type: "time", id: `quiet-${name}`, value: hours[name], required: true, onchange: change(name) }),
    );
  const zones = [...new Set([hours.timezone, here, ...Intl.supportedValuesOf("timeZone")])];
  const options = zones.map((zone) => h("option", { selected: zone === hours.timezone }, zone));
  const zone = h("select", { id: "quiet-zone", onchange: change("timezone") }, ...options);
  return h(
    "div",
    { class: "quiet-fields" },
    time("start", say("from")),
    time("end", say("to")),
    h("label", { class: "zone" }, h("span", {}, say("time_zone")), zone),
  );
}
