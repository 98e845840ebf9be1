/**
 * The icons, as paths of a 24-unit grid drawn with a 1.75 stroke: built as SVG elements, coloured by the text around
 * them, and hidden from screen readers, because each stands beside or inside something that has a name.
 */

const NAMESPACE = "http://www.w3.org/2000/svg";

/** @type {Record<string, string>} */
const PATHS = {
  bell: "M6 9a6 6 0 0 1 12 0c0 6.5 2.5 8 2.5 8h-17S6 15.5 6 9 M10 20.5a2.2 2.2 0 0 0 4 0",
  check: "M4.5 12.5l5 5 10-11",
  checks: "M2.5 12.5l4.5 4.5 8.5-10 M11.5 16.5l.8.8L21.5 7",
  circle: "M12 6.8a5.2 5.2 0 1 0 0 10.4 5.2 5.2 0 0 0 0-10.4",
  archive: "M4 8.5v9a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-9 M3 4.5h18v4H3z M10 12.5h4",
  unarchive: "M4 8.5v9a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-9 M3 4.5h18v4H3z M12 17v-5 M9.5 14l2.5-2.5 2.5 2.5",
  clock: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17 M12 7.5V12l3 2",
  trash: "M4.5 6.5h15 M9 6.5V4.5h6v2 M6.5 6.5l.8 13h9.4l.8-13 M10 10.5v5.5 M14 10.5v5.5",
  sliders: "M4 7h9 M17 7h3 M15 4.5v5 M4 17h3 M11 17h9 M9 14.5v5",
  funnel: "M4 6.5h16 M7 12h10 M10 17.5h4",
  back: "M14.5 5.5L8 12l6.5 6.5",
  close: "M6 6l12 12 M18 6L6 18",
  down: "M6.5 9.5L12 15l5.5-5.5",
  up: "M12 19V5.5 M6 11l6-6 6 6",
  lock: "M6 11h12v9H6z M8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  offline:
    "M3 4l18 17 M8.5 15.2a5 5 0 0 1 5.4-1 M5.2 11.8a9.6 9.6 0 0 1 4-2.3 M13.4 9.2a9.6 9.6 0 0 1 5.4 2.6 M12 19h.01",
  warning: "M12 4L2.8 19.5h18.4z M12 10v4.5 M12 17h.01",
  mail: "M3.5 6h17v12h-17z M4 6.5l8 6.5 8-6.5",
  phone: "M7.5 3h9v18h-9z M11 18h2",
  message: "M4 5h16v11h-8.5L7 19.5V16H4z",
  inbox: "M4 13.5L6.5 5h11l2.5 8.5V19H4z M4 13.5h4.5l1 2.5h5l1-2.5H20",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10",
  package: "M12 3l8 4.3v9.4L12 21l-8-4.3V7.3z M4.2 7.4l7.8 4.3 7.8-4.3 M12 11.7V21 M8 5.2l7.9 4.4",
  shield: "M12 3l7.5 2.8v5.4c0 4.6-3 8-7.5 9.8-4.5-1.8-7.5-5.2-7.5-9.8V5.8z M9 12l2.2 2.2L15.2 10",
  at: "M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7 M15.5 8.5v4.7c0 1.7 1 2.6 2.3 2.6s2.7-1.2 2.7-3.8a8.5 8.5 0 1 0-3.3 6.7",
  card: "M3 6h18v12.5H3z M3 10h18 M6.5 15h3.5",
  calendar: "M4 6h16v14H4z M4 10.5h16 M8.5 3.5V7.5 M15.5 3.5V7.5",
  user: "M12 4a3.8 3.8 0 1 0 0 7.6A3.8 3.8 0 0 0 12 4 M4.5 20c.7-4 3.7-6 7.5-6s6.8 2 7.5 6",
  heart: "M12 20S3.5 15 3.5 9.2A4.6 4.6 0 0 1 12 6.8a4.6 4.6 0 0 1 8.5 2.4C20.5 15 12 20 12 20",
  rocket:
    "M12 14.5l-2.5-2.5c1-4.5 4-8 10-8.5-.5 6-4 9-8.5 10z M9.5 12H5.5L8 8.5h2.5 M12 14.5v4l3.5-2.5v-2.5 M6.5 16c-1.5.5-2 3-2 3.5.5 0 3-.5 3.5-2",
};

/**
 * The icon of a category, by the first word of its name that says something; an application adds its own.
 * @type {[RegExp, string, string][]}
 */
const CATEGORIES = [
  [/secur|login|password|auth|2fa/, "shield", "amber"],
  [/order|ship|deliver|package|parcel/, "package", "blue"],
  [/mention|comment|reply|chat|message|thread/, "at", "violet"],
  [/pay|invoice|billing|card|refund|subscription/, "card", "green"],
  [/calendar|event|meeting|reminder|due|task/, "calendar", "rose"],
  [/friend|follow|invite|member|team|user|account/, "user", "teal"],
  [/like|love|reaction|favou?rite/, "heart", "rose"],
  [/release|deploy|build|launch|update|product/, "rocket", "violet"],
  [/alert|incident|error|fail|warn|monitor/, "warning", "amber"],
];

/**
 * Draw an icon.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 24 24",
    class: `icon icon-${name}`,
    "aria-hidden": "true",
  })) {
    svg.setAttribute(key, value);
  }
  const path = svg.appendChild(document.createElementNS(NAMESPACE, "path"));
  path.setAttribute("d", PATHS[name] ?? PATHS.bell);
  return svg;
}

/**
 * Find how a category looks.
 * @param {string} category
 * @returns {{ name: string, tint: string }}
 */
export function categoryIcon(category) {
  const found = CATEGORIES.find(([pattern]) => pattern.test(category));
  return found ? { name: found[1], tint: found[2] } : { name: "bell", tint: "grey" };
}

/**
 * Give categories a look of their own; later ones win.
 * @param {RegExp} pattern
 * @param {{ name?: string, path?: string, tint?: "grey" | "blue" | "green" | "amber" | "rose" | "violet" | "teal" }} look
 */
export function registerIcon(pattern, { name = "bell", path, tint = "grey" }) {
  if (path) PATHS[name] = path;
  CATEGORIES.unshift([pattern, name, tint]);
}
