/** The page of an application: it connects its user, and keeps what happens where a test can read it. */

import { connect } from "/client/hub.js";
import "/client/hub-inbox.js";
import "/client/messages/ar.js";
import "/client/messages/de.js";

const asked = new URLSearchParams(location.search);
const user = asked.get("user");
const get = async (path) => (await fetch(path)).text();

if (asked.has("lang")) document.documentElement.lang = asked.get("lang");
if (asked.has("dir")) document.documentElement.dir = asked.get("dir");

const hub = connect({
  url: asked.get("hub"),
  getToken: () => get(`/token?user=${user}&ttl=${asked.get("ttl") ?? 3600}`),
  transport: asked.get("transport") ?? "auto",
});
const seen = { hub, events: [], states: [], violations: [] };
globalThis.seen = seen;

hub.addEventListener("notification", ({ detail }) => seen.events.push(detail));
hub.subscribe(({ connection }) => connection !== seen.states.at(-1) && seen.states.push(connection));
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => seen.violations.push(`${violatedDirective} ${blockedURI}`));

const bell = document.querySelector("hub-bell");
for (const name of ["theme", "link-origins", "count"]) if (asked.has(name)) bell.setAttribute(name, asked.get(name));
bell.hub = hub;
