/** Things worth being told, each a little different every time, so that a list of them can be read. */

/** @param {readonly string[]} choices */
const any = (choices) => choices[Math.floor(Math.random() * choices.length)];
const number = () => 1000 + Math.floor(Math.random() * 9000);

/**
 * @typedef {object} Preset
 * @property {string} label
 * @property {string} hint
 * @property {string} category
 * @property {string} [priority]
 * @property {string[]} channels beside the inbox
 * @property {() => { title: string, body: string, action_url?: string, actions?: object[] }} write
 */

/** @type {Record<string, Preset>} */
export const PRESETS = {
  order: {
    label: "Order shipped",
    hint: "inbox and e-mail",
    category: "order.shipped",
    channels: ["email"],
    write() {
      const parcel = number();
      return {
        title: `Parcel ${parcel} is on its way`,
        body: `It left our ${any(["Lisbon", "Hamburg", "Lyon", "Ghent"])} warehouse and arrives tomorrow before noon.`,
        action_url: `/parcels/${parcel}`,
        actions: [{ id: "track", label: "Track parcel", url: `/parcels/${parcel}` }],
      };
    },
  },
  mention: {
    label: "Mention",
    hint: "inbox and push",
    category: "comment.mention",
    channels: ["push"],
    write() {
      const what = any(["Launch plan", "Q3 numbers", "Incident review", "New pricing"]);
      const question = any(["Could you look at this before noon?", "Is this still right?", "You know this best."]);
      return { title: `Dana mentioned you in ${what}`, body: `“${question}”`, action_url: "/comments" };
    },
  },
  security: {
    label: "Security alert",
    hint: "every channel, critical",
    category: "security.sign_in",
    priority: "critical",
    channels: ["email", "sms", "push"],
    write: () => ({
      title: `New sign-in from ${any(["Reykjavík", "Osaka", "Montevideo", "Tallinn"])}`,
      body: `Chrome on Linux, code ${number()}. If this was not you, secure your account.`,
      actions: [
        { id: "mine", label: "It was me", url: null },
        { id: "secure", label: "Secure account", url: "/account" },
      ],
    }),
  },
};
