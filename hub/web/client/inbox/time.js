/** Times as people say them; pure, in the language and zone they are given. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * Say how long ago, short: "now", "5m ago", "yesterday", and a date after a week.
 * @param {Date} then
 * @param {Date} now
 * @param {string} language
 */
export function ago(then, now, language) {
  const passed = now.getTime() - then.getTime();
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "narrow" });
  if (passed < MINUTE) return relative.format(0, "second");
  if (passed < HOUR) return relative.format(-Math.floor(passed / MINUTE), "minute");
  if (passed < 12 * HOUR) return relative.format(-Math.floor(passed / HOUR), "hour");
  const days = daysBetween(then, now);
  if (days === 0) return relative.format(-Math.floor(passed / HOUR), "hour");
  if (days < 7) return relative.format(-days, "day");
  const sameYear = then.getFullYear() === now.getFullYear();
  return then.toLocaleDateString(language, { day: "numeric", month: "short", ...(!sameYear && { year: "numeric" }) });
}

/**
 * Say exactly when.
 * @param {Date} then
 * @param {string} language
 */
export const exactly = (then, language) => then.toLocaleString(language, { dateStyle: "full", timeStyle: "short" });

/**
 * Say when something comes back: the time today, the day and time otherwise.
 * @param {Date} then
 * @param {Date} now
 * @param {string} language
 */
export function coming(then, now, language) {
  const time = then.toLocaleTimeString(language, { hour: "numeric", minute: "2-digit" });
  if (daysBetween(now, then) === 0) return time;
  const near = daysBetween(now, then) < 7;
  const day = near
    ? { weekday: /** @type {const} */ ("short") }
    : { day: /** @type {const} */ ("numeric"), month: /** @type {const} */ ("short") };
  return `${then.toLocaleDateString(language, day)}, ${time}`;
}

/**
 * Name the stretch of days something belongs to.
 * @param {Date} then
 * @param {Date} now
 * @returns {"today" | "yesterday" | "week" | "earlier"}
 */
export function stretch(then, now) {
  const days = daysBetween(then, now);
  if (days <= 0) return "today";
  if (days === 1) return "yesterday";
  return days < 7 ? "week" : "earlier";
}

/**
 * Offer moments to be reminded at: in an hour, this evening while it is still far, tomorrow morning, Monday morning.
 * @param {Date} now
 * @returns {{ key: "hour" | "evening" | "tomorrow" | "monday", at: Date }[]}
 */
export function snoozeChoices(now) {
  /** @type {{ key: "hour" | "evening" | "tomorrow" | "monday", at: Date }[]} */
  const choices = [{ key: "hour", at: new Date(now.getTime() + HOUR) }];
  if (now.getHours() < 17) choices.push({ key: "evening", at: at(now, 0, 18) });
  choices.push({ key: "tomorrow", at: at(now, 1, 9) });
  const untilMonday = (8 - now.getDay()) % 7 || 7;
  if (untilMonday > 1) choices.push({ key: "monday", at: at(now, untilMonday, 9) });
  return choices;
}

/** @param {Date} now @param {number} days @param {number} hours */
function at(now, days, hours) {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hours);
}

/** Count midnights, not multiples of 24 hours. @param {Date} from @param {Date} to */
function daysBetween(from, to) {
  const midnight = (/** @type {Date} */ date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((midnight(to) - midnight(from)) / DAY);
}
