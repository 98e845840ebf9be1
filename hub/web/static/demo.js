// The demo page: panes that follow an inbox over WebSocket by the rules of hub.v1, and a form that publishes.

const PANES = [["alice", 0], ["alice", 1], ["bob", 1]];
const session = await (await fetch("/demo/session", { method: "POST" })).json();

/** Make an element with properties and children. */
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

class Pane {
  constructor(user, node) {
    this.user = user;
    this.node = session.nodes[node % session.nodes.length];
    this.items = new Map();
    this.cursor = null;
    this.failures = 0;
    this.badge = element("strong", { className: "badge" }, "0");
    this.state = element("span", { className: "state" }, "connecting");
    this.list = element("ol");
    const all = element("button", { type: "button" }, "Mark all as read");
    all.onclick = () => this.say({ t: "read_all", up_to: this.cursor.seq });
    const heading = element("h2", {}, `${user} `, this.badge);
    const place = element("p", { className: "place" }, `${new URL(this.node).host} · `, this.state);
    this.root = element("section", {}, heading, place, all, this.list);
    this.connect();
  }

  connect() {
    const url = new URL("/v1/ws", this.node.replace(/^http/, "ws"));
    if (this.cursor) url.searchParams.set("resume", `${this.cursor.epoch}:${this.cursor.seq}`);
    else url.searchParams.set("snapshot", "20");
    this.socket = new WebSocket(url, ["hub.v1", `bearer.${session.tokens[this.user]}`]);
    this.socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    this.socket.onclose = () => this.retry();
  }

  retry() {
    this.state.textContent = "reconnecting";
    const wait = Math.random() * Math.min(20000, 500 * 2 ** this.failures++);
    setTimeout(() => this.connect(), wait);
  }

  say(command) {
    this.socket.send(JSON.stringify(command));
  }

  receive(frame) {
    if (frame.t === "ping") return this.say({ t: "pong", seq: this.cursor.seq });
    if (frame.t === "hello") return this.hello(frame);
    if (frame.t === "resync") return this.reload(frame);
    if (!["notification", "inbox", "resumed"].includes(frame.t)) return;
    const seq = frame.seq ?? frame.to;
    if (seq <= this.cursor.seq && frame.t !== "resumed") return;
    this.cursor.seq = Math.max(seq, this.cursor.seq);
    if (frame.t === "notification") this.items.set(frame.notification.id, frame);
    else this.readUpTo(frame.read_seq);
    this.show(frame.unread);
  }

  hello(frame) {
    this.failures = 0;
    this.state.textContent = "live";
    if (this.cursor) return;
    this.cursor = { epoch: frame.epoch, seq: frame.seq };
    for (const notification of frame.items) this.items.set(notification.id, { change: "created", notification });
    this.show(frame.unread);
  }

  async reload(frame) {
    const headers = { Authorization: `Bearer ${session.tokens[this.user]}` };
    const page = await (await fetch(new URL("/v1/inbox", this.node), { headers })).json();
    this.items = new Map(page.items.map((notification) => [notification.id, { change: "created", notification }]));
    this.cursor = { epoch: frame.epoch, seq: Math.max(frame.seq, page.seq) };
    this.show(page.unread);
  }

  readUpTo(seq) {
    for (const { notification } of this.items.values()) {
      notification.read = notification.read_at !== null || notification.read_seq <= seq;
    }
  }

  show(unread) {
    this.badge.textContent = unread > 99 ? "99+" : unread;
    this.badge.classList.toggle("none", unread === 0);
    const gone = ["deleted", "expired", "recalled"];
    const listed = [...this.items.values()].filter(({ change, notification }) => {
      return !gone.includes(change) && !notification.archived && !notification.snoozed_until;
    });
    listed.sort((a, b) => b.notification.created_seq - a.notification.created_seq);
    this.list.replaceChildren(...listed.slice(0, 20).map(({ notification }) => this.entry(notification)));
  }

  entry(notification) {
    const toggle = element("button", { type: "button" }, notification.read ? "Mark as unread" : "Mark as read");
    toggle.onclick = () => this.say({ t: notification.read ? "unread" : "read", ids: [notification.id] });
    const time = new Date(notification.created_at).toLocaleTimeString();
    return element(
      "li",
      { className: notification.read ? "read" : "unread" },
      element("h3", {}, notification.title),
      element("p", {}, notification.body ?? ""),
      element("p", { className: "meta" }, `${notification.category} · ${time} · seq ${notification.seq}`),
      toggle,
    );
  }
}

document.getElementById("panes").append(...PANES.map(([user, node]) => new Pane(user, node).root));

document.getElementById("composer").onsubmit = async (event) => {
  event.preventDefault();
  const body = JSON.stringify(Object.fromEntries(new FormData(event.target)));
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("/demo/publish", { method: "POST", body, headers });
  const said = await answer.json();
  document.getElementById("answer").value = answer.ok ? `told ${said.notifications}` : said.detail;
};
