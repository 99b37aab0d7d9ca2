/**
 * What programs do as a client: send to rooms, read them, and ask who is there.
 *
 * Law of this file: it says what a program may ask for, and checks that; all else is decided by the
 * parts. What `send` took is settled, one way or the other, exactly once.
 */

import type {
  ClientEvents,
  ClientOptions,
  Directs,
  Listing,
  Pending,
  RoomInfo,
  Subscription,
} from "./api.js";
import { Emitter } from "./emitter.js";
import { ClientError, Refused, TimedOut } from "./errors.js";
import type { DirectEvent } from "./events.js";
import { Lifeline, type State } from "./lifeline.js";
import { Link } from "./link.js";
import { Outbox } from "./outbox.js";
import { type HistoryOptions, type HistoryPage, Page } from "./page.js";
import type { Question } from "./questions.js";
import { type PageWanted, Reader, type SubscribeOptions } from "./room.js";
import { drawSecret } from "./secret.js";
import { MemoryOutbox } from "./stores.js";
import { type Receipt, Talk, type Waiter } from "./talk.js";
import { type Clock, platformClock } from "./transport.js";
import { copied, encodeText } from "./wire/bytes.js";
import { checkName, checkRoom, checkSecret, checkTarget } from "./wire/names.js";
import type { Reply, ReplyOf } from "./wire/replies.js";
import * as requests from "./wire/requests.js";

/** Bytes of the largest message taken unless told otherwise: far above any server's usual limit, and far
 * below what a hostile one could make this process keep. */
const MAX_RECEIVED = 64 * 1024 * 1024;

/** Milliseconds that `close` may take unless told otherwise: what the server gives a peer that does not
 * read, too. */
const CLOSE_WITHIN = 30_000;

/** A named member of a server, over however many connections. */
export class Client {
  readonly secret: string;
  readonly #clock: Clock;
  readonly #emitter = new Emitter<ClientEvents>();
  readonly #outbox: Outbox<Waiter>;
  readonly #talk: Talk;
  readonly #line: Lifeline;
  readonly #wanted: string | undefined;
  #snapshot: readonly Pending[] | null = null;
  #drawn = 0;
  #pings = 0;
  #closing = false;
  #settled: (() => void)[] = [];
  #ready: { resolve(): void; reject(error: ClientError): void }[] = [];
  #gone: (() => void)[] = [];

  /** Messages that the store holds from earlier are in the outbox at once. Throws RangeError for what
   * cannot be a name or a secret. */
  constructor(options: ClientOptions) {
    const { transport, name, token, clock = platformClock, maxPayload = MAX_RECEIVED } = options;
    if (name !== undefined) {
      checkName(name);
    }
    this.secret = options.secret ?? drawSecret(options.entropy ?? transport.entropy);
    checkSecret(this.secret);
    this.#clock = clock;
    this.#wanted = name;
    this.#outbox = new Outbox(options.outbox ?? new MemoryOutbox());
    this.#talk = new Talk(this.#outbox, {
      changed: () => this.#changed(),
      stored: (_, receipt) => this.#emitter.emit("stored", receipt),
      refused: ({ key, room, payload }, error) =>
        this.#emitter.emit("refused", { key, room, payload, error }),
      lost: () => wake(this.#gone),
    });
    const hello = requests.hello(this.secret, name, token);
    this.#line = new Lifeline(
      clock,
      options.jitter ?? Math.random,
      () => new Link(transport, clock, hello, maxPayload, this.#talk),
      (state) => this.#became(state),
      (error, reason) => this.#finished(error, reason),
    );
    this.#talk.line = this.#line;
  }

  // -- what it is like -----------------------------------------------------------------------

  /** Immutable; the same object until it changes (fit for useSyncExternalStore). */
  get state(): State {
    return this.#line.state;
  }

  /** What the server calls this client; before the first connection, what it wants. */
  get name(): string | undefined {
    return this.#talk.name ?? this.#wanted;
  }

  /** What is not known to be stored, oldest first. Immutable; the same array until it changes. */
  get outbox(): readonly Pending[] {
    this.#snapshot ??= Object.freeze(
      Array.from(this.#outbox.entries(), ({ key, room, payload, time, sent }) => ({
        key,
        room,
        payload,
        time,
        sent,
      })),
    );
    return this.#snapshot;
  }

  /** Why the outbox's store could not keep something (its place is full, say), or null. Such messages
   * are sent all the same, but do not survive a reload. */
  get storeError(): Error | null {
    return this.#outbox.storeError;
  }

  /** Why the server takes no messages for now (its disk is full), or null. They are sent again later. */
  get refusal(): ClientError | null {
    return this.#talk.refusal;
  }

  /** Listen; the function returned stops it. Bound: may be passed on as it is. */
  readonly on = <K extends keyof ClientEvents>(event: K, listener: ClientEvents[K]): (() => void) =>
    this.#emitter.on(event, listener);

  // -- coming and going ----------------------------------------------------------------------

  /** Begin to connect, and keep connected. Resolves when the server has made this client welcome for the
   * first time; rejects with why not, after `attempts` (for ever if left out) or something final. Nobody
   * need wait for it. */
  connect(options: { attempts?: number } = {}): Promise<void> {
    const welcome = new Promise<void>((resolve, reject) => {
      if (this.#talk.online) {
        resolve();
      } else if (this.state.phase === "ended") {
        reject(this.state.reason ?? CLOSED());
      } else {
        this.#ready.push({ resolve, reject });
      }
    });
    welcome.catch(() => {});
    this.#line.start(options.attempts ?? Number.POSITIVE_INFINITY);
    return welcome;
  }

  /** Something may have changed (the network is back, the page is visible): connect at once if offline, and
   * find out soon whether the server is there if online. */
  nudge(): void {
    this.#line.hurry();
    this.#line.link?.probe();
  }

  /** Wait until everything is stored, say BYE, connect no more. Subscriptions end at once. Rejects with
   * TimedOut (30,000 ms unless said) if something is not known to be stored; it stays in the outbox's store. */
  async close(options: { timeout?: number } = {}): Promise<void> {
    const until = this.#clock.now() + (options.timeout ?? CLOSE_WITHIN);
    const left = () => Math.max(0, until - this.#clock.now());
    const begun = this.state.phase !== "idle";
    this.#closing = true;
    this.#line.closing();
    this.#talk.rooms.end(CLOSED(), null);
    if (begun && this.#outbox.size > 0 && this.state.phase !== "ended") {
      await this.#within(left(), this.#settled);
    }
    const unknown = this.#outbox.size;
    if (unknown === 0 && this.#talk.online) {
      this.#line.link?.leave();
      await this.#within(left(), this.#gone);
    }
    const reason = this.state.phase === "ended" ? this.state.reason : null;
    this.abort();
    if (reason !== null) {
      throw reason;
    }
    if (unknown > 0 && begun) {
      throw new TimedOut(
        `${unknown} messages were not acknowledged in time: they may or may not be stored; sending ` +
          "them again with the same secret and outbox is safe",
      );
    }
  }

  /** Close at once. */
  abort(): void {
    this.#closing = true;
    const { link } = this.#line;
    this.#line.finish(CLOSED(), null);
    link?.abort(CLOSED());
  }

  // -- sending -------------------------------------------------------------------------------

  /** Send to a room, or to one member as `@name`; text goes as UTF-8. It is kept, and sent when there is a
   * connection. Resolves when stored; rejects with Refused (Undelivered for a direct message that reached
   * nobody), or with what ended the client. A rejection that nobody handles is no unhandled rejection.
   * Throws RangeError for what cannot be a room, and for a key that is on its way already. */
  send(
    room: string,
    payload: string | Uint8Array,
    options: { key?: string } = {},
  ): Promise<Receipt> {
    checkTarget(room);
    const bytes = typeof payload === "string" ? encodeText(payload) : copied(payload);
    const key = options.key ?? this.#drawKey();
    const unable = this.#unable(bytes.length);
    let waiter: Waiter | undefined;
    const stored = new Promise<Receipt>((resolve, reject) => {
      waiter = { resolve, reject };
    });
    stored.catch(() => {});
    if (unable === null) {
      this.#outbox.add(key, room, bytes, this.#clock.now(), waiter as Waiter);
      this.#talk.flushSoon();
      this.#changed();
    } else {
      waiter?.reject(unable);
    }
    return stored;
  }

  /** Take a message back that was never handed to a connection; false if it is too late. Its promise rejects
   * with code "discarded". */
  discard(key: string): boolean {
    const entry = this.#outbox.discard(key);
    entry?.waiter?.reject(new ClientError("discarded", "the message was taken back"));
    if (entry !== null) {
      this.#talk.eased();
    }
    return entry !== null;
  }

  /** Resolves when there is room for more to send: who sends without waiting for receipts waits for this.
   * Rejects with what ended the client. */
  writable(): Promise<void> {
    const ended = this.#ended();
    return ended === null ? this.#talk.room() : Promise.reject(ended);
  }

  // -- reading -------------------------------------------------------------------------------

  /** Join a room. Throws RangeError for what cannot be, and Error if this client is in the room already. */
  subscribe(room: string, options: SubscribeOptions = {}): Subscription {
    checkRoom(room);
    const { rooms } = this.#talk;
    const reader = new Reader(options, () => rooms.close(room, reader));
    const ended = this.#ended();
    if (ended !== null) {
      throw ended;
    }
    rooms.subscribe(room, reader);
    return {
      room,
      get position() {
        return reader.position;
      },
      close: () => rooms.close(room, reader),
      [Symbol.asyncIterator]: () => reader.inbox[Symbol.asyncIterator](),
    };
  }

  /** Take direct messages from now on. One at a time: throws Error otherwise. */
  directs(options: { onEvents?: (events: readonly DirectEvent[]) => void } = {}): Directs {
    const ended = this.#ended();
    if (ended !== null) {
      throw ended;
    }
    const { rooms } = this.#talk;
    const inbox = rooms.takeDirects(options.onEvents);
    return {
      close: () => rooms.leaveDirects(inbox),
      [Symbol.asyncIterator]: () => inbox[Symbol.asyncIterator](),
    };
  }

  /** Read a page of a room's history, whether or not one is in it (who is in it stays in it, unseen by
   * others; who is not comes and goes). Rejects with Refused, with what ended the client, or with the
   * reason of `signal`; waits while offline. Throws RangeError for what cannot be. */
  history(
    room: string,
    options: HistoryOptions & { signal?: AbortSignal } = {},
  ): Promise<HistoryPage> {
    checkRoom(room);
    const page = new Page(options);
    const { signal } = options;
    return new Promise((resolve, reject) => {
      const ended = this.#ended();
      if (ended !== null || signal?.aborted) {
        reject(ended ?? signal?.reason);
        return;
      }
      const abandon = () => {
        this.#talk.rooms.forget(room, wanted);
        reject(signal?.reason);
      };
      const wanted: PageWanted = {
        page,
        settle: (outcome) => {
          signal?.removeEventListener("abort", abandon);
          if (outcome instanceof ClientError) {
            reject(outcome);
          } else {
            resolve(outcome);
          }
        },
      };
      signal?.addEventListener("abort", abandon, { once: true });
      this.#talk.rooms.read(room, wanted);
    });
  }

  // -- asking --------------------------------------------------------------------------------

  /** Who is in a room. */
  async who(room: string): Promise<Listing<string>> {
    checkRoom(room);
    const here = await this.#ask<"HERE">("WHO", room, requests.who(room));
    return { items: here.names, cut: here.cut };
  }

  /** Which rooms there are. */
  async rooms(): Promise<Listing<RoomInfo>> {
    const found = await this.#ask<"ROOMS">("ROOMS", null, requests.rooms());
    return { items: found.rooms as unknown as RoomInfo[], cut: found.cut };
  }

  /** How many milliseconds the server took to process all that was sent before. */
  async ping(): Promise<number> {
    this.#pings += 1;
    const token = String(this.#pings);
    const began = this.#clock.now();
    this.#talk.flush();
    await this.#ask<"PONG">("PING", token, requests.ping(token));
    return this.#clock.now() - began;
  }

  // -- within --------------------------------------------------------------------------------

  #ask<V extends Reply["verb"]>(
    verb: Question["verb"],
    subject: string | null,
    frame: Uint8Array,
  ): Promise<ReplyOf<V>> {
    return new Promise((resolve, reject) => {
      const ended = this.#ended();
      if (ended !== null) {
        reject(ended);
        return;
      }
      const settle = (outcome: Reply | ClientError) =>
        outcome instanceof ClientError ? reject(outcome) : resolve(outcome as ReplyOf<V>);
      this.#talk.questions.add({ verb, subject, frame, settle });
      this.#talk.write(frame);
    });
  }

  /** Return why nothing can be asked any more, or null. */
  #ended(): ClientError | null {
    if (this.state.phase === "ended") {
      return this.state.reason ?? CLOSED();
    }
    return this.#closing ? CLOSED() : null;
  }

  /** Return why a message of so many bytes cannot be taken, or null. */
  #unable(length: number): ClientError | null {
    const limit = this.#talk.maxPayload;
    return length <= limit
      ? this.#ended()
      : new Refused(
          "too-large",
          `a message of ${length} bytes is over this server's limit of ${limit}: send it in smaller ones`,
        );
  }

  #drawKey(): string {
    this.#drawn += 1;
    const chance = Math.random().toString(36).slice(2);
    return `${this.#clock.now().toString(36)}-${this.#drawn.toString(36)}-${chance}`;
  }

  #changed(): void {
    this.#snapshot = null;
    this.#emitter.emit("outbox");
    if (this.#outbox.size === 0) {
      wake(this.#settled);
    }
  }

  #became(state: State): void {
    if (this.#talk.online) {
      for (const { resolve } of this.#ready.splice(0)) {
        resolve();
      }
    }
    this.#emitter.emit("state", state);
  }

  #finished(error: ClientError, reason: ClientError | null): void {
    this.#talk.end(error, reason);
    for (const { reject } of this.#ready.splice(0)) {
      reject(error);
    }
    wake(this.#settled);
    wake(this.#gone);
  }

  /** Wait until somebody wakes, or for so many milliseconds. */
  #within(milliseconds: number, waiters: (() => void)[]): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(resolve, milliseconds);
      waiters.push(() => {
        this.#clock.clearTimeout(timer);
        resolve();
      });
    });
  }
}

function CLOSED(): ClientError {
  return new ClientError("closed", "this client was closed");
}

function wake(waiters: (() => void)[]): void {
  for (const each of waiters.splice(0)) {
    each();
  }
}
