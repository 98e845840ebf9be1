/**
 * The public types of hub.js, kept by hand because they are its documentation; a test holds the code to them.
 */

/** A notification as every frame, list and snapshot carries it. Absent values are null. */
export interface Notification {
  id: string;
  /** The number of its last change; the newest version of a notification is the one with the highest. */
  seq: number;
  /** The number it arrived with; lists are ordered by it. */
  created_seq: number;
  /** The number of its last own change between read and unread. */
  read_seq: number;
  category: string;
  title: string;
  body: string | null;
  data: Record<string, unknown> | null;
  action_url: string | null;
  icon: string | null;
  actions: Action[] | null;
  priority: "low" | "normal" | "high" | "critical";
  tags: string[];
  collapse_key: string | null;
  repeat_count: number;
  /** RFC 3339, like all times. */
  created_at: string;
  seen: boolean;
  read: boolean;
  archived: boolean;
  read_at: string | null;
  archived_at: string | null;
  snoozed_until: string | null;
  expires_at: string | null;
}

/** A button beside a notification. */
export interface Action {
  id: string;
  label: string;
  url: string | null;
}

/** What happened to a notification. */
export type Change =
  | "created"
  | "updated"
  | "read"
  | "unread"
  | "archived"
  | "unarchived"
  | "snoozed"
  | "unsnoozed"
  | "expired"
  | "recalled"
  | "deleted";

/** The inbox's counts, exact at `seq`. */
export interface Counts {
  seq: number;
  unread: number;
  unseen: number;
}

/** One notification changed. */
export interface NotificationFrame extends Counts {
  t: "notification";
  change: Change;
  notification: Notification;
  /** It happened while this browser was away: show it, but do not ring. */
  replayed: boolean;
}

/** The whole inbox changed. */
export interface InboxFrame extends Counts {
  t: "inbox";
  change: "read_all" | "seen";
  read_seq: number;
  seen_seq: number;
  replayed: boolean;
}

export type Transport = "websocket" | "sse";

/**
 * `live`: what is shown is current. `connecting`, `waiting` (until `retry_at`) and `offline` heal by themselves.
 * `stopped` does not: `code` and `reason` say why, `reconnect()` tries again.
 */
export type ConnectionState = "connecting" | "live" | "waiting" | "offline" | "stopped";

/** Replaced as a whole by every change. */
export interface HubState {
  connection: ConnectionState;
  /** Whether this tab holds the browser's connection. */
  leader: boolean;
  user?: string;
  transport?: Transport;
  seq: number;
  unread: number;
  unseen: number;
  /** Changes of this tab that the hub has not answered: more than 0 for long means that they wait for the network. */
  queued: number;
  /** The close code (PROTOCOL: close codes) that ended the last connection. */
  code?: number;
  reason?: string;
  /** When it is tried again, in milliseconds since 1970. */
  retry_at?: number;
  ping_seconds?: number;
}

export interface Options {
  /** The hub's address; default: where the page came from. */
  url?: string;
  /** Fetch a JWT from your own server. Called again when the old one runs out or is refused. */
  getToken?: () => string | Promise<string>;
  /** Fetch a single-use ticket for the stream; requests then rely on the cookie. */
  getTicket?: () => string | Promise<string>;
  /** Default `auto`: WebSocket, or SSE where WebSocket is seen to fail. */
  transport?: Transport | "auto";
  /** Items of a page, 1 to 100; default 20. */
  pageSize?: number;
  /** Names the user where there is no token to read it from. */
  user?: string;
}

/** What to list. */
export interface Query {
  filter?: "all" | "unread" | "archived" | "snoozed";
  category?: string;
  tag?: string;
}

/** Replaced as a whole by every change. */
export interface ListState {
  /** Newest first, pending changes of the user included. */
  items: Notification[];
  more: boolean;
  loading: boolean;
  /** Why the last page did not come; `load()` tries again. */
  error: Error | null;
}

/** A failed request; `status` is missing where nothing answered. */
export interface RequestError extends Error {
  status?: number;
  /** application/problem+json */
  problem?: unknown;
}

/** The store contract of Svelte; fits React's `useSyncExternalStore` as it is. */
export interface Store<State> {
  readonly state: State;
  /** Call back now and after every change; return how to stop. */
  subscribe(listener: (state: State) => void): () => void;
}

/** A filtered view, current as long as it is not closed. */
export interface List extends Store<ListState> {
  /** Load the next page, or try again to. */
  load(): Promise<void>;
  close(): void;
}

export interface HubEvents {
  change: CustomEvent<HubState>;
  /** A notification arrived or changed, once per change and tab. */
  notification: CustomEvent<NotificationFrame>;
  inbox: CustomEvent<InboxFrame>;
  /** Continuity was lost and the lists are reloaded. */
  resync: CustomEvent<{ reason: "epoch" | "too_far" | "slow" }>;
  /** All that was missed has been told. */
  resumed: CustomEvent<{ from: number; to: number; count: number }>;
  /** A change was refused and taken back. */
  error: CustomEvent<RequestError>;
}

/**
 * One user's inbox, the same in every tab. Changes show at once, are sent in order (later, if there is no network), and
 * are taken back if the hub refuses them: the promise rejects and `error` is fired. Repeating one changes nothing.
 */
export interface Hub extends Store<HubState> {
  list(query?: Query): List;

  read(id: string): Promise<Counts>;
  unread(id: string): Promise<Counts>;
  archive(id: string): Promise<Counts>;
  unarchive(id: string): Promise<Counts>;
  snooze(id: string, until: Date | string): Promise<Counts>;
  unsnooze(id: string): Promise<Counts>;
  remove(id: string): Promise<Counts>;
  /** Mark everything up to a seq as read; default: all that this tab knows of. */
  readAll(up_to?: number): Promise<Counts>;
  /** The user has looked at the list. */
  seen(up_to?: number): Promise<Counts>;
  archiveRead(): Promise<Counts>;

  /** Call the HTTP API as this user: `request("GET", "/v1/preferences")`. Rejects with a `RequestError`. */
  request(method: string, path: string, body?: object): Promise<any>;
  /** Connect now, after a stop too. */
  reconnect(): void;
  /** End it, without a trace; other tabs take over. */
  close(): void;

  addEventListener<Type extends keyof HubEvents>(
    type: Type,
    listener: (event: HubEvents[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<Type extends keyof HubEvents>(
    type: Type,
    listener: (event: HubEvents[Type]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** Connect a user. Tabs of one browser that connect the same user to the same hub share one connection. */
export function connect(options: Options): Hub;
