/**
 * A client's time with a server: how it comes, keeps its connection, and goes.
 *
 * Law of this file: it joins the parts to a connection, and decides nothing that they can; when `close`
 * resolves, everything that was sent is known to be stored, else it rejects.
 */

import type { ClientEvents, ClientOptions, Pending } from "./api.js";
import { Emitter } from "./emitter.js";
import { ClientError, TimedOut } from "./errors.js";
import { Lifeline, type State } from "./lifeline.js";
import { Link } from "./link.js";
import { Outbox } from "./outbox.js";
import { drawSecret } from "./secret.js";
import { MemoryOutbox } from "./stores.js";
import { Talk, type Waiter } from "./talk.js";
import { type Clock, platformClock } from "./transport.js";
import {
  checkFunction,
  checkMilliseconds,
  checkNumber,
  checkObject,
  checkUnicode,
} from "./wire/arguments.js";
import { checkName, checkSecret } from "./wire/names.js";
import { hello } from "./wire/requests.js";

/** Bytes of the largest message taken unless told otherwise: far above any server's usual limit, and far
 * below what a hostile one could make this process keep. */
const MAX_RECEIVED = 64 * 1024 * 1024;

/** Milliseconds that `close` may take unless told otherwise: what the server gives a peer that does not
 * read, too. */
const CLOSE_WITHIN = 30_000;

/** Milliseconds of the longest timer that platforms keep; above, they take it for none. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** What can be listened to. */
const EVENTS: ReadonlySet<string> = new Set(["state", "outbox", "stored", "refused"]);

/** What a `Client` is before it says or reads anything. */
export class Membership {
  readonly secret: string;
  protected readonly clock: Clock;
  readonly #emitter = new Emitter<ClientEvents>();
  protected readonly owed: Outbox<Waiter>;
  protected readonly talk: Talk;
  readonly #line: Lifeline;
  readonly #wanted: string | undefined;
  #snapshot: readonly Pending[] | null = null;
  #closing = false;
  #settled: (() => void)[] = [];
  #ready: { resolve(): void; reject(error: ClientError): void }[] = [];
  #gone: (() => void)[] = [];

  /** Messages that the store holds from earlier are in the outbox at once. Throws RangeError for what
   * cannot be a name or a secret, and TypeError for what is of a wrong type. */
  constructor(options: ClientOptions) {
    checkOptions(options);
    const { transport, name, token, clock = platformClock, maxPayload = MAX_RECEIVED } = options;
    if (name !== undefined) {
      checkName(name);
    }
    this.secret = options.secret ?? drawSecret(options.entropy ?? transport.entropy);
    checkSecret(this.secret);
    this.clock = clock;
    this.#wanted = name;
    this.owed = new Outbox(options.outbox ?? new MemoryOutbox());
    this.talk = new Talk(this.owed, {
      changed: () => this.changed(),
      stored: (_, receipt) => this.#emitter.emit("stored", receipt),
      refused: ({ key, room, payload }, error) =>
        this.#emitter.emit("refused", { key, room, payload, error }),
      lost: () => wake(this.#gone),
    });
    const introduction = hello(this.secret, name, token);
    this.#line = new Lifeline(
      clock,
      options.jitter ?? Math.random,
      () => this.owed.barred ?? new Link(transport, clock, introduction, maxPayload, this.talk),
      (state) => this.#became(state),
      (error, reason) => this.#finished(error, reason),
    );
    this.talk.line = this.#line;
  }

  // -- what it is like -----------------------------------------------------------------------

  /** Immutable; the same object until it changes (fit for useSyncExternalStore). */
  get state(): State {
    return this.#line.state;
  }

  /** What the server calls this client; before the first connection, what it wants. */
  get name(): string | undefined {
    return this.talk.name ?? this.#wanted;
  }

  /** What is not known to be stored, oldest first. Immutable; the same array until it changes. */
  get outbox(): readonly Pending[] {
    this.#snapshot ??= Object.freeze(
      Array.from(this.owed.entries(), ({ key, room, payload, time, sent }) => ({
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
    return this.owed.storeError;
  }

  /** Why the server takes no messages for now (its disk is full), or null. They are sent again later. */
  get refusal(): ClientError | null {
    return this.talk.refusal;
  }

  /** Listen; the function returned stops it. Bound: may be passed on as it is. Throws RangeError for an event
   * that there is not, and TypeError for what cannot be called. */
  readonly on = <K extends keyof ClientEvents>(
    event: K,
    listener: ClientEvents[K],
  ): (() => void) => {
    if (!EVENTS.has(event)) {
      throw new RangeError(`the events are ${[...EVENTS].join(", ")}, and this is none of them`);
    }
    checkFunction(listener, "a listener");
    return this.#emitter.on(event, listener);
  };

  // -- coming and going ----------------------------------------------------------------------

  /** Begin to connect, and keep connected. Resolves when the server has made this client welcome for the
   * first time; rejects with why not, after `attempts` (for ever if left out) or something final. Nobody
   * need wait for it. Throws TypeError or RangeError for what is no number of attempts, from 1 on. */
  connect(options: { attempts?: number } = {}): Promise<void> {
    checkObject(options, "what connect takes");
    const { attempts = Number.POSITIVE_INFINITY } = options;
    checkNumber(attempts, "attempts", 1, true);
    const welcome = new Promise<void>((resolve, reject) => {
      if (this.talk.online) {
        resolve();
      } else if (this.state.phase === "ended") {
        reject(this.state.reason ?? closed());
      } else {
        this.#ready.push({ resolve, reject });
      }
    });
    welcome.catch(() => {});
    this.#line.start(attempts);
    return welcome;
  }

  /** Something may have changed (the network is back, the page is visible): connect at once if offline, and
   * find out soon whether the server is there if online: it is given up when nothing comes for ten seconds. */
  nudge(): void {
    this.#line.hurry();
    this.#line.link?.probe();
  }

  /** Wait until everything is stored, say BYE, connect no more. Subscriptions end at once. Rejects with
   * TimedOut (30,000 ms unless said) if something is not known to be stored, and at once if nothing was sent
   * because `connect` was never called; it stays in the outbox's store. Rejects with TypeError or RangeError for
   * what is no time, and goes on. */
  async close(options: { timeout?: number } = {}): Promise<void> {
    checkObject(options, "what close takes");
    checkMilliseconds(options.timeout ?? CLOSE_WITHIN);
    const timeout = Math.min(options.timeout ?? CLOSE_WITHIN, LONGEST_TIMER);
    const begun = this.state.phase !== "idle";
    let late = false;
    const timer = this.clock.setTimeout(() => {
      late = true;
      wake(this.#settled);
      wake(this.#gone);
    }, timeout);
    this.#closing = true;
    this.#line.closing();
    this.talk.rooms.end(closed(), null);
    if (begun && this.owed.size > 0 && this.state.phase !== "ended") {
      await woken(this.#settled);
    }
    const unknown = this.owed.size;
    if (!late && unknown === 0 && this.talk.online) {
      this.#line.link?.leave();
      await woken(this.#gone);
    }
    this.clock.clearTimeout(timer);
    const reason = this.state.phase === "ended" ? this.state.reason : null;
    this.abort();
    if (reason !== null) {
      throw reason;
    }
    if (unknown > 0 && !begun) {
      throw new ClientError(
        "closed",
        `${unknown} messages were not sent, for connect() was never called: call it before close()`,
      );
    }
    if (unknown > 0) {
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
    this.#line.finish(closed(), null);
    link?.abort(closed());
  }

  // -- within --------------------------------------------------------------------------------

  /** Return why nothing can be asked any more, or null. */
  protected over(): ClientError | null {
    if (this.state.phase === "ended") {
      return this.state.reason ?? closed();
    }
    return this.#closing ? closed() : null;
  }

  protected changed(): void {
    this.#snapshot = null;
    this.#emitter.emit("outbox");
    if (this.owed.size === 0) {
      wake(this.#settled);
    }
  }

  #became(state: State): void {
    if (this.talk.online) {
      for (const { resolve } of this.#ready.splice(0)) {
        resolve();
      }
    }
    this.#emitter.emit("state", state);
  }

  #finished(error: ClientError, reason: ClientError | null): void {
    this.talk.end(error, reason);
    for (const { reject } of this.#ready.splice(0)) {
      reject(error);
    }
    wake(this.#settled);
    wake(this.#gone);
  }
}

/** Check what a client is made of, but for its name and secret, which have rules of their own. */
function checkOptions(options: ClientOptions): void {
  checkObject(options, "what a client takes");
  const { transport, outbox, clock, token, maxPayload, jitter, entropy } = options;
  checkObject(transport, "a transport", "connect");
  if (outbox !== undefined) {
    checkObject(outbox, "an outbox", "load", "put", "remove");
  }
  if (clock !== undefined) {
    checkObject(clock, "a clock", "now", "setTimeout", "clearTimeout");
  }
  if (token !== undefined) {
    checkUnicode(token, "a token");
  }
  if (maxPayload !== undefined) {
    checkNumber(maxPayload, "maxPayload");
  }
  for (const [what, value] of Object.entries({ jitter, entropy })) {
    if (value !== undefined) {
      checkFunction(value, what);
    }
  }
}

function closed(): ClientError {
  return new ClientError("closed", "this client was closed");
}

function woken(waiters: (() => void)[]): Promise<void> {
  return new Promise((resolve) => waiters.push(resolve));
}

function wake(waiters: (() => void)[]): void {
  for (const each of waiters.splice(0)) {
    each();
  }
}
