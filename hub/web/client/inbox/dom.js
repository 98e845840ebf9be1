/**
 * Elements without markup: everything is built by the DOM's own calls, so that text from a notification is only ever
 * text, and a page whose CSP allows nothing inline needs no exception for us.
 */

/**
 * Make an element. A function is a listener of the event its key names after "on", a boolean an attribute that is there
 * or not, anything else an attribute's value; null and undefined are left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(.../** @type {Node[]} */ (children.filter((child) => child || child === "")));
  return element;
}

/**
 * Make a button that shows an icon and is called something.
 * @param {Node} icon
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {Record<string, any>} [attributes]
 */
export function iconButton(icon, label, onclick, attributes = {}) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...attributes },
    icon,
  );
}

/**
 * Replace text only where it differs: rewriting a live region would have it read out again.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
