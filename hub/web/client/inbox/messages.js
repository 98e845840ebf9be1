/**
 * What the elements say, and in which language.
 *
 * A catalogue maps keys to sentences with {placeholders}; where a number decides, to one sentence per plural category
 * of the language, and "0" for none. A missing sentence falls back to English, so that a catalogue may lag behind.
 *
 * @typedef {Record<string, string | Partial<Record<Intl.LDMLPluralRule | "0", string>>>} Catalogue
 */

/** @type {Catalogue} */
export const ENGLISH = {
  notifications: "Notifications",
  bell: { 0: "Notifications", one: "Notifications, {n} unread", other: "Notifications, {n} unread" },
  all: "All",
  unread: "Unread",
  archived: "Archived",
  snoozed: "Snoozed",
  filters: "Filter",
  category: "Category",
  all_categories: "All categories",
  widen: "Show all categories",
  today: "Today",
  yesterday: "Yesterday",
  week: "This week",
  earlier: "Earlier",
  mark_read: "Mark as read",
  mark_unread: "Mark as unread",
  mark_all_read: "Mark all as read",
  archive: "Archive",
  unarchive: "Move to inbox",
  snooze: "Snooze",
  unsnooze: "Bring back now",
  remove: "Delete",
  undo: "Undo",
  preferences: "Preferences",
  back: "Back",
  close: "Close",
  is_unread: "Unread",
  urgent: "Urgent",
  important: "Important",
  times: "{n} times",
  back_at: "Back {time}",
  new_pill: { one: "{n} new", other: "{n} new" },
  arrived: "New: {title}",
  all_read: "Everything is marked as read",
  did_archive: "Archived",
  did_unarchive: "Moved to inbox",
  did_snooze: "Snoozed until {time}",
  did_remove: "Deleted",
  refused: "That did not work and was taken back: {reason}",
  snooze_until: "Remind me",
  hour: "In an hour",
  evening: "This evening",
  tomorrow: "Tomorrow morning",
  monday: "Monday morning",
  pick: "Pick a time",
  set: "Set",
  empty_all: "You are all caught up",
  empty_all_hint: "What happens next shows up here at once.",
  empty_unread: "Nothing unread",
  empty_unread_hint: "You have seen it all.",
  empty_archived: "Nothing archived",
  empty_archived_hint: "What you put away stays here.",
  empty_snoozed: "Nothing snoozed",
  empty_snoozed_hint: "Put something off, and it comes back when you want it.",
  loading: "Loading",
  failed: "This could not be loaded",
  try_again: "Try again",
  offline: "You are offline.",
  queued: { one: "{n} change is sent when you are back.", other: "{n} changes are sent when you are back." },
  reconnecting: "Connecting again …",
  stopped: "Disconnected: {reason}",
  reconnect: "Reconnect",
  saved: "Saved",
  every_category: "Everything",
  every_category_hint: "unless chosen below",
  required: "always on",
  in_app: "In the app",
  email: "E-mail",
  sms: "SMS",
  push: "Push",
  quiet_hours: "Quiet hours",
  quiet_hours_hint: "Nothing but the critical leaves the app in this time; it waits until the end.",
  from: "From",
  to: "To",
  time_zone: "Time zone",
};

/** @type {Map<string, Catalogue>} */
const catalogues = new Map([["en", ENGLISH]]);

/** Fired when a catalogue is added, so that what is shown is said again. */
export const catalogued = new EventTarget();

/**
 * Add a language, or sentences of one.
 * @param {string} language a language tag, such as "de" or "pt-BR"
 * @param {Catalogue} catalogue
 */
export function addMessages(language, catalogue) {
  catalogues.set(language, { ...catalogues.get(language), ...catalogue });
  catalogued.dispatchEvent(new Event("change"));
}

/**
 * Make the function that says things in a language.
 * @param {string} language
 * @returns {(key: string, values?: Record<string, string | number>) => string}
 */
export function speaker(language) {
  const catalogue = { ...ENGLISH, ...catalogues.get(language.split("-")[0]), ...catalogues.get(language) };
  const plural = new Intl.PluralRules(language);
  return (key, values = {}) => {
    const said = catalogue[key] ?? key;
    const n = Number(values.n ?? 0);
    const sentence =
      typeof said === "string" ? said : (n === 0 && said[0]) || said[plural.select(n)] || said.other || key;
    return sentence.replace(/\{(\w+)\}/g, (_, name) => format(values[name], language));
  };
}

/** @param {string | number | undefined} value @param {string} language */
const format = (value, language) => (typeof value === "number" ? value.toLocaleString(language) : (value ?? ""));

/**
 * Say a category's name as people would: "order.shipped" is "Order shipped".
 * @param {string} category
 */
export function humanize(category) {
  const words = category.replace(/[._:-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
