/**
 * The composer: what is said, to whom, over which channels. It speaks as a service would, with an Idempotency-Key that
 * makes a second try harmless.
 */

import { duration, h } from "./element.js";
import { PRESETS } from "./presets.js";

const USERS = ["alice", "bob", "carol"];
const CHANNELS = { email: "E-mail", sms: "SMS", push: "Push" };
const MANY = 25;
const PAUSE_MS = 300;

/** @typedef {{ system: import("./system.js").System, chronicle: import("./chronicle.js").Chronicle,
 *   numbers: import("./numbers.js").Numbers }} Stage */

export class Composer {
  #stage;
  #form;
  #preset = PRESETS.order;
  /** @type {ReturnType<import("./presets.js").Preset["write"]>} */
  #written = this.#preset.write();
  #title = h("input", { name: "title", required: true, maxlength: "500", autocomplete: "off" });
  #body = h("textarea", { name: "body", rows: "2" });
  #answer = h("output", { id: "answer" });
  #going = false;

  /** @param {HTMLFormElement} form @param {Stage} stage */
  constructor(form, stage) {
    this.#stage = stage;
    this.#form = form;
    form.append(...this.#fields());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#publish();
    });
    this.#choose("order");
  }

  #fields() {
    const presets = Object.entries(PRESETS).map(([name, { label, hint }]) =>
      choice("radio", "preset", name, { checked: name === "order", onchange: () => this.#choose(name) }, label, hint),
    );
    const users = USERS.map((user) => choice("checkbox", "to", user, { checked: user === "alice" }, user));
    const inbox = choice("checkbox", "channels", "in_app", { checked: true, disabled: true }, "Inbox");
    const channels = Object.entries(CHANNELS).map(([name, label]) => choice("checkbox", "channels", name, {}, label));
    const many = h("button", { type: "button", class: "quiet", onclick: () => void this.#many() }, `${MANY} at once`);
    this.endless = h("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: () => void this.#turn() }, "Non-stop");
    this.endless.title = "One after the other until you stop it: kill a node meanwhile, and count.";
    return [
      group("What", "presets", ...presets),
      h("label", {}, "Title", this.#title),
      h("label", {}, "Text", this.#body),
      group("To", "chips", ...users),
      ...(this.#stage.system.outbox ? [group("Over", "chips", inbox, ...channels)] : []),
      h("div", { class: "buttons" }, h("button", { class: "primary", id: "publish" }, "Publish"), many, this.endless),
      this.#answer,
    ];
  }

  /** @param {string} name */
  #choose(name) {
    this.#preset = PRESETS[name];
    this.#write();
    for (const box of this.#boxes("channels")) box.checked = box.disabled || this.#preset.channels.includes(box.value);
  }

  #write() {
    this.#written = this.#preset.write();
    this.#title.value = this.#written.title;
    this.#body.value = this.#written.body;
  }

  /** @param {string} name */
  #boxes(name) {
    return /** @type {NodeListOf<HTMLInputElement>} */ (this.#form.querySelectorAll(`input[name=${name}]`));
  }

  /** @param {string} name */
  #checked(name) {
    return [...this.#boxes(name)].filter(({ checked }) => checked).map(({ value }) => value);
  }

  /** What the form says, as the API wants it. */
  #said() {
    const { category, priority } = this.#preset;
    const said = { ...this.#written, category, title: this.#title.value, body: this.#body.value || undefined, priority };
    const channels = this.#stage.system.outbox ? this.#checked("channels") : undefined;
    return { ...said, to: this.#checked("to"), channels };
  }

  async #publish() {
    const said = this.#said();
    if (said.to.length === 0) return this.#say("Choose somebody to tell.");
    const began = performance.now();
    try {
      const ids = await this.#send(said, began);
      const took = duration(performance.now() - began);
      this.#say(`Committed in ${took}.`);
      this.#stage.chronicle.tell("info", `published “${said.title}” to ${said.to.join(", ")}: ${ids.length} in ${took}`);
      this.#write();
    } catch (error) {
      this.#say(String(/** @type {Error} */ (error).message));
    }
  }

  /** A burst, each a publish of its own: the nodes commit what comes together in one statement. */
  async #many() {
    const { to, channels: _channels, ...said } = this.#said();
    if (to.length === 0) return this.#say("Choose somebody to tell.");
    const began = performance.now();
    const sent = Array.from({ length: MANY }, () =>
      this.#send({ ...said, ...this.#preset.write(), to }, performance.now()),
    );
    const done = (await Promise.allSettled(sent)).filter(({ status }) => status === "fulfilled").length;
    const took = duration(performance.now() - began);
    this.#say(`${done} of ${MANY} committed in ${took}.`);
    this.#stage.chronicle.tell("info", `published ${done} at once to ${to.join(", ")} in ${took}`);
  }

  /** Start telling one thing after the other, or stop. */
  async #turn() {
    this.#going = !this.#going;
    this.endless.ariaPressed = String(this.#going);
    if (!this.#going) return;
    const began = performance.now();
    let done = 0;
    while (this.#going) {
      if (this.#checked("to").length > 0) done += await this.#another();
      this.#say(`${done} committed, one after the other.`);
      await new Promise((resume) => setTimeout(resume, PAUSE_MS));
    }
    this.#stage.chronicle.tell("info", `published ${done} one after the other in ${duration(performance.now() - began)}`);
  }

  /** Tell something else, in the inbox only; return how many publishes were committed, 1 or 0. */
  async #another() {
    const said = { ...this.#said(), ...this.#preset.write(), channels: ["in_app"] };
    try {
      await this.#send(said, performance.now());
      return 1;
    } catch (error) {
      this.#stage.chronicle.tell("bad", String(/** @type {Error} */ (error).message));
      return 0;
    }
  }

  /** @param {object} said @param {number} began */
  async #send(said, began) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() };
    const answer = await this.#stage.system.ask("/demo/publish", { method: "POST", headers, body: JSON.stringify(said) });
    const ids = answer.notifications.map((/** @type {{ id: string }} */ { id }) => id);
    this.#stage.numbers.published(ids, began);
    return ids;
  }

  /** @param {string} text */
  #say(text) {
    this.#answer.value = text;
  }
}

/**
 * @param {string} type
 * @param {string} name
 * @param {string} value
 * @param {Record<string, any>} attributes
 * @param {string} label
 * @param {string} [hint]
 */
function choice(type, name, value, attributes, label, hint) {
  const words = hint ? [h("span", {}, label), h("small", {}, hint)] : [h("span", {}, label)];
  return h("label", { class: "choice" }, h("input", { type, name, value, ...attributes }), ...words);
}

/** @param {string} title @param {string} look @param {...Node} choices */
function group(title, look, ...choices) {
  return h("fieldset", { class: look }, h("legend", {}, title), ...choices);
}
