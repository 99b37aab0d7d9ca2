/**
 * A client that does what a test says: the same interface as the real one, and no server.
 *
 * Law of this file: what the real client promises (an outbox, events in order) holds here, too.
 */

import type { ClientError, ClientEvents, HistoryOptions, HistoryPage, Listing, Message, Pending, Receipt, RoomEvent, RoomInfo, ServerDetails, State, SubscribeOptions, Subscription } from "tcpmsg";
import { Profile } from "../src/model/profile";
import { Directs } from "../src/model/directs";
import { Notices } from "../src/model/notices";
import type { Wire } from "../src/model/parts";
import { Preferences } from "../src/model/preferences";
import { tell } from "../src/model/observable";
import { Session } from "../src/model/session";
import { PageStorage } from "../src/model/storage";

/** How long something is waited for, in milliseconds: a slow machine is no fault of the page's. */
export const PATIENT = { timeout: 60_000 };

const encoder = new TextEncoder();

export function message(seq: number, sender: string, payload: string | Uint8Array, room = "lobby", time = Date.now()): Message {
  const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
  const text = typeof payload === "string" ? payload : null;
  return { room, seq, sender, time, payload: bytes, extras: [], text } as unknown as Message;
}

export function said(seq: number, sender: string, payload: string | Uint8Array, room = "lobby"): RoomEvent {
  return { kind: "message", message: message(seq, sender, payload, room) };
}

export function failure(code: string, text: string): ClientError {
  return Object.assign(new Error(`the server refused it: ${code}: ${text}`), { code, final: true, reason: text }) as unknown as ClientError;
}

const SERVER = { v: 1, server: "tcpmsg/test", max_payload: 1000, heartbeat: 30, features: [] };

export class FakeWire implements Wire {
  state: State = { phase: "idle" };
  outbox: readonly Pending[] = [];
  storeError: Error | null = null;
  refusal: ClientError | null = null;
  readonly subscriptions = new Map<string, SubscribeOptions>();
  readonly asked: { room: string; options: HistoryOptions; answer: (page: HistoryPage) => void; fail: (error: ClientError) => void }[] = [];
  roomList: RoomInfo[] = [];
  nudges = 0;
  aborted = false;
  #listeners: { [K in keyof ClientEvents]: Set<ClientEvents[K]> } = { state: new Set(), outbox: new Set(), stored: new Set(), refused: new Set() };
  #directs: ((events: readonly { kind: "message"; message: Message }[]) => void) | undefined;

  constructor(
    public name: string,
    readonly secret: string,
  ) {}

  on<K extends keyof ClientEvents>(event: K, listener: ClientEvents[K]): () => void {
    this.#listeners[event].add(listener);
    return () => this.#listeners[event].delete(listener);
  }
  connect(): Promise<void> {
    this.become({ phase: "connecting", attempt: 1 });
    return Promise.resolve();
  }
  nudge(): void {
    this.nudges += 1;
  }
  abort(): void {
    this.aborted = true;
  }
  send(room: string, payload: string | Uint8Array, options?: { key?: string }): Promise<Receipt> {
    const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
    this.outbox = [...this.outbox, { key: options?.key ?? "", room, payload: bytes, time: Date.now(), sent: this.state.phase === "online" }];
    this.#emit("outbox");
    return new Promise(() => {});
  }
  discard(key: string): boolean {
    const found = this.outbox.find((each) => each.key === key);
    if (found === undefined || found.sent) return false;
    this.#take(key);
    return true;
  }
  subscribe(room: string, options: SubscribeOptions = {}): Subscription {
    if (this.subscriptions.has(room)) throw new Error("in it already");
    this.subscriptions.set(room, options);
    return { room, position: null, close: () => this.subscriptions.delete(room) } as unknown as Subscription;
  }
  directs(options: { onEvents?: (events: readonly never[]) => void } = {}): ReturnType<Wire["directs"]> {
    this.#directs = options.onEvents as never;
    return { close: () => (this.#directs = undefined) } as unknown as ReturnType<Wire["directs"]>;
  }
  history(room: string, options: HistoryOptions = {}): Promise<HistoryPage> {
    return new Promise((answer, fail) => this.asked.push({ room, options, answer, fail }));
  }
  rooms(): Promise<Listing<RoomInfo>> {
    return Promise.resolve({ items: this.roomList, cut: 0 });
  }

  // -- what the test has the server do ---------------------------------------------------------

  become(state: State): void {
    this.state = state;
    this.#emit("state");
  }
  welcome(name = this.name, details: Partial<ServerDetails> = {}): void {
    this.name = name;
    this.become({ phase: "online", name, server: { ...SERVER, ...details } });
  }
  lose(reason = failure("disconnected", "the server is gone")): void {
    this.outbox = this.outbox.map((each) => ({ ...each }));
    this.become({ phase: "offline", reason, retryAt: Date.now() + 9000 });
  }
  tell(room: string, ...events: RoomEvent[]): void {
    this.subscriptions.get(room)?.onEvents?.(events);
    tell();
  }
  /** Say that one is in a room, and what was said there. */
  join(room: string, head: number, ...events: RoomEvent[]): void {
    this.tell(room, { kind: "subbed", room, head }, ...events, { kind: "live", room, head });
  }
  direct(sender: string, text: string): void {
    this.#directs?.([{ kind: "message", message: message(1, sender, text, `@${this.name}`) }]);
    tell();
  }
  store(index = 0, seq: number | null = null): void {
    const pending = this.outbox[index];
    if (pending === undefined) throw new Error("nothing to store");
    this.#take(pending.key);
    this.#emit("stored", { key: pending.key, room: pending.room, seq, dup: false });
    tell();
  }
  refuse(error: ClientError, index = 0): void {
    const pending = this.outbox[index];
    if (pending === undefined) throw new Error("nothing to refuse");
    this.#take(pending.key);
    this.#emit("refused", { key: pending.key, room: pending.room, payload: pending.payload, error });
    tell();
  }
  #take(key: string): void {
    this.outbox = this.outbox.filter((each) => each.key !== key);
    this.#emit("outbox");
  }
  #emit<K extends keyof ClientEvents>(event: K, ...words: unknown[]): void {
    for (const listener of this.#listeners[event]) (listener as (...all: unknown[]) => void)(...words.length ? words : [this.state]);
    tell();
  }
}

let drawn = 0;

export interface World {
  readonly session: Session;
  readonly preferences: Preferences;
  readonly storage: Storage;
  readonly profile: Profile;
  readonly directs: Directs;
  /** The client that is in use now. */
  wire(): FakeWire;
}

/** A session with a fake client; with a storage, one that begins where another was. */
export function world(storage: Storage = new PageStorage(), outbox: readonly Pending[] = [], directs = new Directs()): World {
  const made: FakeWire[] = [];
  const profile = new Profile({ prefix: "test.", storage, lasting: true, second: false }, () => "sixteen-or-more-letters");
  const preferences = new Preferences(storage);
  const session = new Session({
    profile,
    directs,
    preferences,
    notices: new Notices(),
    makeWire: (name, secret) => {
      const wire = new FakeWire(name, secret);
      wire.outbox = outbox;
      made.push(wire);
      return wire;
    },
    random: () => `key${(drawn += 1)}`,
  });
  const wire = (): FakeWire => {
    const last = made.at(-1);
    if (last === undefined) throw new Error("no client yet");
    return last;
  };
  return { session, preferences, storage, profile, directs, wire };
}

/** A session of alice's in the lobby, welcome and live, with what was said. */
export function inLobby(...events: RoomEvent[]): World {
  const made = world();
  made.session.enter("lobby");
  made.session.start("alice");
  made.wire().welcome();
  const head = events.reduce((highest, event) => (event.kind === "message" ? event.message.seq : highest), 0);
  made.wire().join("lobby", head, ...events, { kind: "here", room: "lobby", names: ["alice", "bob"], cut: 0 });
  return made;
}
