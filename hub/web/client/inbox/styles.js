/**
 * The style sheets of the elements, shared by all of them: constructed, because a strict CSP allows no <style>, and lazily,
 * so that the module can be imported where there is no document.
 */

import { bell } from "./styles/bell.js";
import { entry } from "./styles/entry.js";
import { panel } from "./styles/panel.js";
import { preferences } from "./styles/preferences.js";
import { theme } from "./styles/theme.js";
import { widgets } from "./styles/widgets.js";

/** @type {Map<string, CSSStyleSheet>} */
const made = new Map();

/** @param {string} css */
function sheet(css) {
  const known = made.get(css);
  if (known) return known;
  const fresh = new CSSStyleSheet();
  fresh.replaceSync(css);
  made.set(css, fresh);
  return fresh;
}

export const inboxStyles = () => [theme, widgets, panel, entry, preferences].map(sheet);
export const bellStyles = () => [theme, widgets, bell].map(sheet);
