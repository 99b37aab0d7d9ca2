/**
 * tcpmsg for TypeScript and JavaScript: a client that keeps its promises over lost
 * connections, in browsers and in Node.
 *
 *     import { Client, webSocket } from "tcpmsg";
 *
 *     const client = new Client({ transport: webSocket(`ws://${location.host}/ws`), name: "alice" });
 *     client.connect();
 *     client.subscribe("lobby", { last: 50, onEvents: (events) => show(events) });
 *     const { seq } = await client.send("lobby", "hello");     // once it is stored
 *
 * Law of this file: it is all that programs may import, and stays stable.  THIS DRAFT holds
 * signatures only; the finished file exports the same names with the same types.
 */

// -- transports ------------------------------------------------------------------------------

/** What is told of one connection, by the transport to the client. */
export interface ConnectionEvents {
  opened(): void;
  received(bytes: Uint8Array): void;
  /** `send` returned false, and now there is room again. */
  drained(): void;
  /** Once; nothing follows. `error` is null where the other side ended the stream in order. */
  closed(error: Error | null): void;
}

/** One connection of a transport. */
export interface Connection {
  /** Hand over bytes. False: they are taken, but wait for `drained` before the next. */
  send(bytes: Uint8Array): boolean;
  /** Close in order; what was handed over is sent before. */
  close(): void;
  /** Close at once. */
  abort(): void;
}

/** A way to reach a server: `webSocket(...)`, or `tcp(...)` from "tcpmsg/tcp". */
export interface Transport {
  /** Where it leads, as people read it. */
  readonly address: string;
  connect(events: ConnectionEvents): Connection;
  /** Random bytes, where the platform has no global `crypto`. */
  entropy?(count: number): Uint8Array;
}

export interface WebSocketOptions {
  /** The constructor; the platform's own if it is left out. In Node before 22: the one of `ws`. */
  WebSocket?: unknown;
  clock?: Clock;
}

/** Reach a server by WebSocket; `url` is `ws://HOST:PORT/ws` or `wss://...`. */
export declare function webSocket(url: string | URL, options?: WebSocketOptions): Transport;
// in "tcpmsg/tcp", for Node:  export function tcp(address: string | { host, port } | { path }): Transport

// -- errors ----------------------------------------------------------------------------------

/** What went wrong. `message` is one line for a person: cause and way out. */
export declare class ClientError extends Error {
  /** A code of the protocol ("too-large", "superseded", ...), or one of this client's own:
   * "unreachable", "disconnected", "timed-out", "not-understood", "closed". */
  readonly code: string;
  /** Whether trying again would end the same way. */
  readonly final: boolean;
}
/** The server refused something, with a code and a sentence (`reason`) of its own. */
export declare class Refused extends ClientError {
  readonly reason: string;
}
/** Another connection took over with this client's secret. Final: do not come back by yourself. */
export declare class Superseded extends Refused {}
/** A direct message was accepted and reached nobody: `code` is "absent" or "busy". */
export declare class Undelivered extends Refused {}
/** There is no connection to the server, and there was none. */
export declare class CannotConnect extends ClientError {}
/** The connection has ended. */
export declare class Disconnected extends ClientError {}
/** What came is not this protocol. */
export declare class NotUnderstood extends ClientError {}
/** Something did not happen within its time. */
export declare class TimedOut extends ClientError {}

// -- what is read ----------------------------------------------------------------------------

/** A message of a room, or a direct one (`room` is then `@` and the receiver's name). */
export declare class Message {
  readonly room: string;
  /** Its number in the room: rises, may skip. */
  readonly seq: number;
  readonly sender: string;
  /** Unix time in milliseconds. */
  readonly time: number;
  readonly payload: Uint8Array;
  /** Words that later servers add. */
  readonly extras: readonly string[];
  /** The payload as text, or null if it is not UTF-8. Decoded once. */
  get text(): string | null;
}

/** What happens in a room that one has subscribed to, in order. */
export type RoomEvent =
  | { readonly kind: "message"; readonly message: Message }
  /** The numbers `first` to `last` are no longer kept; stands where the messages would have. */
  | { readonly kind: "missed"; readonly room: string; readonly first: number; readonly last: number }
  /** One is a member (again); the newest message now is `head`. What was asked for follows. */
  | { readonly kind: "subbed"; readonly room: string; readonly head: number }
  /** All up to `head` has come; what follows is live. Comes after every `subbed`. */
  | { readonly kind: "live"; readonly room: string; readonly head: number }
  /** The server has another history now (a disk was replaced): it goes on behind `head`. */
  | { readonly kind: "replaced"; readonly room: string; readonly head: number }
  /** With `presence`: somebody else came. */
  | { readonly kind: "join"; readonly room: string; readonly name: string }
  /** With `presence`: somebody else left. */
  | { readonly kind: "part"; readonly room: string; readonly name: string }
  /** With `presence`: everybody who is there, oneself too: the truth of this moment. Comes first, after
   * each reconnect, and instead of many comings and goings. `cut` more names were left out. */
  | {
      readonly kind: "here";
      readonly room: string;
      readonly names: readonly string[];
      readonly cut: number;
    }
  /** The last event: the subscription has ended; `error` is null if it was to end. */
  | { readonly kind: "ended"; readonly room: string; readonly error: ClientError | null };

export interface SubscribeOptions {
  /** Begin with this number (0: all that is kept); at most one of from, last, since. None: from now on. */
  from?: number;
  /** Begin so many numbers before the end. */
  last?: number;
  /** Begin at this Unix time in milliseconds. */
  since?: number;
  /** Tell who comes and goes, and who is there. */
  presence?: boolean;
  /** Called with what has come in one piece, never empty. What it is given is handed over: there is
   * no back-pressure. Without it, iterate: `for await (const event of subscription)`. */
  onEvents?: (events: readonly RoomEvent[]) => void;
}

/**
 * A room that one is in, over however many connections: each message once, in order.
 *
 * Iterated (and not with `onEvents`), it is bounded: whoever reads too slowly leaves the room,
 * reads what there is, and joins again where it was; nothing is lost. Iteration ends at `close`,
 * or throws why it has ended.
 */
export interface Subscription extends AsyncIterable<RoomEvent> {
  readonly room: string;
  /** The number of the newest message handed over, or the head it began behind; null before. */
  readonly position: number | null;
  /** Leave the room. Unread events are dropped. */
  close(): void;
}

/** Direct messages, as they come; they are live only. */
export type DirectEvent =
  | { readonly kind: "message"; readonly message: Message }
  /** So many were lost because they were not iterated in time. */
  | { readonly kind: "dropped"; readonly count: number }
  | { readonly kind: "ended"; readonly error: ClientError | null };

export interface HistoryOptions {
  /** Only messages below this number: the `count` nearest to it. For scrolling up. */
  before?: number;
  /** Messages from this number on. */
  from?: number;
  /** Messages from this Unix time in milliseconds on. */
  since?: number;
  /** How many at the most; 50 if it is left out. */
  count?: number;
}

/** Messages of a room, in order. With none of `before`, `from`, `since`: the newest ones. */
export interface HistoryPage {
  readonly messages: readonly Message[];
  /** Whether there may be more in the direction of reading (older ones for `before` and the
   * newest, newer ones for `from` and `since`). */
  readonly more: boolean;
  /** The number of the room's newest message when it was read. */
  readonly head: number;
}

// -- what is sent ----------------------------------------------------------------------------

/** A message that is not known to be stored. */
export interface Pending {
  /** What it is known by on this side: given to `send`, or drawn. */
  readonly key: string;
  readonly room: string;
  readonly payload: Uint8Array;
  /** When `send` was called, Unix time in milliseconds. */
  readonly time: number;
  /** Whether it was ever handed to a connection; if not, `discard` works. */
  readonly sent: boolean;
}

/** A message is stored (or, direct or in a memory room: accepted). */
export interface Receipt {
  readonly key: string;
  readonly room: string;
  /** Its number in the room; null where it was acknowledged together with later ones. */
  readonly seq: number | null;
  /** Whether the server had it already, from an earlier connection. */
  readonly dup: boolean;
}

/** A message is not taken, and was taken out of the outbox. */
export interface Refusal {
  readonly key: string;
  readonly room: string;
  readonly payload: Uint8Array;
  readonly error: ClientError;
}

/** A message as an outbox's store keeps it. */
export interface StoredMessage {
  readonly key: string;
  readonly room: string;
  readonly payload: Uint8Array;
  readonly time: number;
  /** Its id, once it has one. */
  readonly id: bigint | null;
}

/**
 * Where messages are kept until they are stored at the server. Synchronous, because a message
 * is kept before it is sent. What `load` returns is in the order of `put`.
 */
export interface OutboxStore {
  load(): StoredMessage[];
  /** Keep a message, or replace the one with its key, in its place. */
  put(message: StoredMessage): void;
  remove(key: string): void;
}

/** Keeps nothing beyond this process. */
export declare class MemoryOutbox implements OutboxStore {
  load(): StoredMessage[];
  put(message: StoredMessage): void;
  remove(key: string): void;
}

/**
 * Keeps messages in `localStorage` (or `sessionStorage`), so that they survive a reload. One for
 * each client secret: with another, ids would mean something else. Give it the same `name` each time.
 */
export declare class WebStorageOutbox implements OutboxStore {
  constructor(storage: Storage, name: string);
  load(): StoredMessage[];
  put(message: StoredMessage): void;
  remove(key: string): void;
}

// -- the client ------------------------------------------------------------------------------

/** Where the client stands. Objects are immutable: a new one for each change. */
export type State =
  | { readonly phase: "idle" }
  | { readonly phase: "connecting"; readonly attempt: number }
  | { readonly phase: "online"; readonly name: string; readonly server: ServerDetails }
  /** Until `retryAt` (Unix time in milliseconds), then it tries again. */
  | { readonly phase: "offline"; readonly reason: ClientError; readonly retryAt: number }
  /** `close` was called and waits for what is unacknowledged. */
  | { readonly phase: "closing" }
  /** For good. `reason` is null after `close`; Superseded, or a Refused with "version",
   * "unauthorized", "bad-name" and so on otherwise: a person has to change something. */
  | { readonly phase: "ended"; readonly reason: ClientError | null };

/** The JSON of WELCOME. */
export interface ServerDetails {
  readonly v: number;
  readonly server: string;
  readonly max_payload: number;
  readonly heartbeat: number;
  readonly features: readonly string[];
  readonly [more: string]: unknown;
}

export interface Listing<T> {
  readonly items: readonly T[];
  /** How many more did not fit the answer. */
  readonly cut: number;
}

export interface RoomInfo {
  readonly room: string;
  readonly head: number;
  readonly members: number;
  readonly [more: string]: unknown;
}

export interface Clock {
  /** Unix time in milliseconds. */
  now(): number;
  setTimeout(act: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
}

export interface ClientOptions {
  transport: Transport;
  /** What one wants to be called; the server numbers it if it is taken. */
  name?: string;
  /** The client's secret, 16 to 64 printable ASCII characters: keep it together with the outbox. Drawn
   * at random if it is left out. Two programs must not use one: the newer takes over. */
  secret?: string;
  /** Where unacknowledged messages are kept; `MemoryOutbox` if it is left out. */
  outbox?: OutboxStore;
  token?: string;
  /** The largest payload taken, in bytes: 64 MiB if it is left out. */
  maxPayload?: number;
  /** Timers and time; the platform's own if left out. */
  clock?: Clock;
  /** A number from 0 to 1, to spread reconnects; Math.random if left out. */
  jitter?: () => number;
  /** Random bytes for the secret; the platform's `crypto` if left out. */
  entropy?: (count: number) => Uint8Array;
}

export interface ClientEvents {
  state: (state: State) => void;
  /** Something was added to or taken from `outbox`, or sent. */
  outbox: () => void;
  stored: (receipt: Receipt) => void;
  /** Also for `Undelivered` direct messages. */
  refused: (refusal: Refusal) => void;
}

/** Draw a secret to keep: `secret` of `ClientOptions`. */
export declare function drawSecret(entropy?: (count: number) => Uint8Array): string;

/** A named member of a server, over however many connections. */
export declare class Client {
  /** Messages that the store holds from earlier are in the outbox at once. Throws RangeError for
   * what cannot be a name or a secret. */
  constructor(options: ClientOptions);

  readonly secret: string;
  /** Immutable; the same object until it changes (fit for useSyncExternalStore). */
  get state(): State;
  /** What the server calls this client; before the first connection, what it wants. */
  get name(): string | undefined;
  /** What is not known to be stored, oldest first. Immutable; the same array until it changes. */
  get outbox(): readonly Pending[];
  /** Why the outbox's store could not keep something (its place is full, say), or null. Such messages
   * are sent all the same, but do not survive a reload. */
  get storeError(): Error | null;
  /** Why the server takes no messages for now (its disk is full), or null. They are sent again later. */
  get refusal(): ClientError | null;

  /** Listen; the function returned stops it. Bound: may be passed on as it is. */
  on<K extends keyof ClientEvents>(event: K, listener: ClientEvents[K]): () => void;

  /** Begin to connect, and keep connected. Resolves when the server has made this client welcome for the
   * first time; rejects with why not, after `attempts` (for ever if left out) or something final. Nobody
   * need wait for it. */
  connect(options?: { attempts?: number }): Promise<void>;
  /** Something may have changed (the network is back, the page is visible): connect at once if offline,
   * and find out soon whether the server is there if online. */
  nudge(): void;
  /** Wait until everything is stored, say BYE, connect no more. Rejects with TimedOut (30 s unless said)
   * if something is not known to be stored; it stays in the outbox's store. */
  close(options?: { timeout?: number }): Promise<void>;
  /** Close at once. */
  abort(): void;

  /** Send to a room, or to one member as `@name`; text goes as UTF-8. It is kept, and sent when there is a
   * connection. Resolves when stored; rejects with Refused (Undelivered for a direct message that reached
   * nobody), or with what ended the client. A rejection that nobody handles is no unhandled rejection.
   * Throws RangeError for what cannot be a room. */
  send(room: string, payload: string | Uint8Array, options?: { key?: string }): Promise<Receipt>;
  /** Take a message back that was never handed to a connection; false if it is too late. Its promise
   * rejects with code "closed". */
  discard(key: string): boolean;
  /** Resolves when there is room for more to send: who sends without waiting for receipts waits for this. */
  writable(): Promise<void>;

  /** Join a room. Throws RangeError for what cannot be, and Error if this client is in the room already. */
  subscribe(room: string, options?: SubscribeOptions): Subscription;
  /** Direct messages from now on. One at a time. */
  directs(options?: { onEvents?: (events: readonly DirectEvent[]) => void }): AsyncIterable<DirectEvent> & {
    close(): void;
  };
  /** Read a page of a room's history, whether or not one is in it (who is in it stays in it, unseen by
   * others). Rejects with Refused, or with what ended the client; waits while offline. */
  history(room: string, options?: HistoryOptions & { signal?: AbortSignal }): Promise<HistoryPage>;
  /** Who is in a room. */
  who(room: string): Promise<Listing<string>>;
  /** Which rooms there are. */
  rooms(): Promise<Listing<RoomInfo>>;
  /** How many milliseconds the server took to process all that was sent before. */
  ping(): Promise<number>;
}
