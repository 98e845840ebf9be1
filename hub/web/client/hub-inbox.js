/**
 * The inbox as custom elements: import this module, and `<hub-inbox>` and `<hub-bell>` are defined.
 *
 *     import { connect } from "./hub.js";
 *     import "./hub-inbox.js";
 *     document.querySelector("hub-bell").hub = connect({ getToken });
 */

import { HubBell } from "./inbox/bell.js";
import { HubInbox } from "./inbox/element.js";

export { registerIcon } from "./inbox/icons.js";
export { addMessages } from "./inbox/messages.js";
export { HubBell, HubInbox };

// A page may load two copies; the first one stays.
if (!customElements.get("hub-inbox")) customElements.define("hub-inbox", HubInbox);
if (!customElements.get("hub-bell")) customElements.define("hub-bell", HubBell);
