/**
 * The conversation with a server, whichever connection carries it just now.
 *
 * Law of this file: each of the server's answers goes to the part that waits for it, and to no
 * other; after a new `WELCOME` everything that is owed is said again, in its order.
 */

import { answered, ClientError, type Refused, Undelivered } from "./errors.js";
import type { Lifeline } from "./lifeline.js";
import type { Link, LinkEvents } from "./link.js";
import { type Entry, type Outbox, ROOM_BYTES } from "./outbox.js";
import { Questions } from "./questions.js";
import { Rooms } from "./rooms.js";
import { joined } from "./wire/bytes.js";
import { DIRECT, parseId } from "./wire/names.js";
import type { Reply, ReplyOf } from "./wire/replies.js";

/** Codes that stand beside the acknowledgement of a direct message, and end nothing. */
const NOTICES: ReadonlySet<string> = new Set(["absent", "busy", "unknown"]);

/** A message is stored (or, direct or in a memory room: accepted). */
export interface Receipt {
  readonly key: string;
  readonly room: string;
  /** Its number in the room; null where it was acknowledged together with later ones. */
  readonly seq: number | null;
  /** Whether the server had it already, from an earlier connection. */
  readonly dup: boolean;
}

/** Who waits for a message to be stored. */
export interface Waiter {
  resolve(receipt: Receipt): void;
  reject(error: ClientError): void;
}

export type Owed = Entry<Waiter>;

/** What a conversation tells its client. */
export interface TalkEvents {
  changed(): void;
  stored(entry: Owed, receipt: Receipt): void;
  refused(entry: Owed, error: ClientError): void;
  /** A connection is gone. */
  lost(): void;
}

/** What one client and its server have to say to each other. */
export class Talk implements LinkEvents {
  /** The largest message that the server takes, in bytes, as far as it is known. */
  maxPayload = Number.POSITIVE_INFINITY;
  /** What the server calls this client. */
  name: string | undefined;
  /** Why the server takes nothing for now, until it acknowledges something again. */
  refusal: ClientError | null = null;
  readonly questions = new Questions();
  readonly rooms: Rooms;
  #link: Link | null = null; // while it is ready for use
  #flushing = false;
  #roomWaiters: { resolve(): void; reject(error: ClientError): void }[] = [];

  /** Its owner gives it its `line` before anything is said. */
  line!: Lifeline;

  constructor(
    readonly outbox: Outbox<Waiter>,
    private readonly told: TalkEvents,
  ) {
    this.rooms = new Rooms(
      (frame) => this.write(frame),
      () => this.online,
    );
  }

  get online(): boolean {
    return this.#link !== null && this.#link.error === null;
  }

  // -- from the client ---------------------------------------------------------------------

  /** Send frames if there is a connection; what is lost is said again on the next one. */
  write(frame: Uint8Array): void {
    this.#link?.write(frame);
  }

  /** Send what the outbox has, together with what is added in the same turn. */
  flushSoon(): void {
    if (!this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => this.flush());
    }
  }

  /** Send what may be on its way, if the server reads. */
  flush(): void {
    this.#flushing = false;
    const link = this.#link;
    while (link !== null && link.error === null && !link.full) {
      const pieces = this.outbox.take();
      if (pieces.length === 0) {
        return;
      }
      link.write(joined(pieces));
      this.told.changed();
    }
  }

  /** Resolve when there is room for more to send. */
  room(): Promise<void> {
    if (this.outbox.owed <= ROOM_BYTES) {
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => this.#roomWaiters.push({ resolve, reject }));
  }

  /** No connection will be tried any more: give every wait the reason. */
  end(error: ClientError, reason: ClientError | null): void {
    this.#link = null;
    for (const { waiter } of this.outbox.clear()) {
      waiter?.reject(error);
    }
    this.questions.end(error);
    this.rooms.end(error, reason);
    for (const { reject } of this.#roomWaiters.splice(0)) {
      reject(error);
    }
    this.told.changed();
  }

  // -- from the connection -----------------------------------------------------------------

  welcomed(welcome: ReplyOf<"WELCOME">): void {
    const link = this.line.link as Link;
    let settled: Owed[];
    try {
      settled = this.outbox.resume(welcome.lastId);
    } catch (error) {
      link.end(
        error instanceof ClientError ? error : new ClientError("no-ids", String(error), true),
      );
      return;
    }
    const limit = welcome.details.max_payload;
    this.maxPayload = Number.isSafeInteger(limit) ? (limit as number) : Number.POSITIVE_INFINITY;
    this.name = welcome.name;
    this.#link = link;
    this.#settle(settled, null, null, true);
    this.rooms.connected();
    for (const frame of this.questions.again()) {
      link.write(frame);
    }
    this.flush();
    this.line.came(welcome);
  }

  replied(reply: Reply): void {
    switch (reply.verb) {
      case "ACK":
        this.#settle(this.outbox.acknowledge(reply.id), reply.id, reply.seq, reply.dup);
        this.flush();
        break;
      case "ERR":
        this.#refused(reply);
        break;
      case "PONG":
        if (reply.token !== null) {
          this.questions.answer("PING", reply.token, reply); // one without is the heartbeat's
        }
        break;
      case "ROOMS":
        this.questions.answer("ROOMS", null, reply);
        break;
      case "HERE":
        this.questions.answer("WHO", reply.room, reply);
        this.rooms.take(reply);
        break;
      default:
        this.rooms.take(reply);
    }
  }

  rested(): void {
    this.rooms.rest();
  }

  drained(): void {
    this.flush();
  }

  ended(error: ClientError): void {
    this.#link = null;
    this.rooms.lost();
    this.line.went(error);
    this.told.lost();
  }

  // -- within ------------------------------------------------------------------------------

  /** Something was wrong with a request. */
  #refused(reply: ReplyOf<"ERR">): void {
    const error = answered(reply.code, reply.reason);
    const { about, subject } = reply;
    if (about === "PUB") {
      this.#pubRefused(reply, error);
    } else if (about === "SUB" && subject !== null) {
      this.rooms.refused(subject, error);
    } else if (about !== null) {
      this.questions.answer(about, subject, error);
    }
  }

  /** A message is not taken: give it up, and send the others again. */
  #pubRefused({ code, reason, subject }: ReplyOf<"ERR">, error: Refused): void {
    if (subject === null && code === "busy") {
      this.refusal = error; // of all that is not acknowledged; it is sent again later
      this.#link?.end(error);
      this.told.changed();
      return;
    }
    // What is too large may lack its id; what came before it is acknowledged before it.
    const id = parseId(subject ?? "") ?? (code === "too-large" ? this.outbox.oldest : null);
    if (id === null) {
      return;
    }
    const entry = this.outbox.refuse(id);
    const late = entry === null ? this.outbox.noticed(id) : null;
    if (entry === null && late === null && NOTICES.has(code)) {
      return; // it comes behind the acknowledgement, which said all that is promised
    }
    const notice = (entry ?? late)?.room.startsWith(DIRECT) && NOTICES.has(code);
    const told = notice ? new Undelivered(code, reason) : error;
    if (entry !== null) {
      entry.waiter?.reject(told);
      this.told.refused(entry, told);
    } else if (late !== null && notice) {
      this.told.refused(late, told);
    }
    if (!notice) {
      if (entry !== null) {
        this.line.forgive(error); // it is this message's fault, and the server closes behind it
      }
      this.#link?.end(error);
    }
    this.eased();
  }

  /** Tell who waits that messages are stored. With `dup` an earlier connection sent them: a notice about a direct
   * message may have been lost with that, so its outcome is unknown. */
  #settle(entries: Owed[], id: bigint | null, seq: number | null, dup: boolean): void {
    if (entries.length === 0) {
      return;
    }
    this.refusal = null;
    for (const entry of entries) {
      const { key, room } = entry;
      if (dup && room.startsWith(DIRECT)) {
        const error = new Undelivered("unknown");
        this.outbox.noticed(entry.id as bigint); // it is reported once
        entry.waiter?.reject(error);
        this.told.refused(entry, error);
        continue;
      }
      const receipt = { key, room, seq: entry.id === id ? seq : null, dup };
      entry.waiter?.resolve(receipt);
      this.told.stored(entry, receipt);
    }
    this.eased();
  }

  /** Less is owed than before. */
  eased(): void {
    if (this.outbox.owed <= ROOM_BYTES / 2) {
      for (const { resolve } of this.#roomWaiters.splice(0)) {
        resolve();
      }
    }
    this.told.changed();
  }
}
