/**
 * The subscription of a room: where to go on, and what was not handed over yet.
 *
 * Law of this file: each message is handed on once and in order, or a gap stands where it would have.
 * It asks nothing of the server by itself.
 */

import { Message, type RoomEvent } from "./events.js";
import { Inbox } from "./inbox.js";
import { checkFunction, checkNumber, checkObject } from "./wire/arguments.js";
import type { ReplyOf } from "./wire/replies.js";
import type { Beginning } from "./wire/requests.js";

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

/** The subscription of a room: where to go on, and what was not handed over yet. */
export class Reader {
  readonly inbox: Inbox<RoomEvent>;
  readonly presence: boolean;
  /** The number to go on from, once it is known. */
  next: number | null = null;
  /** Whether the server's history turned out to be another one, until it is read anew. */
  replaced = false;
  #seen = -1;
  readonly #beginning: Beginning;

  /** Take what the program asked for, and what leaving an iteration does. Throws RangeError for two
   * beginnings, and for what is no number; TypeError for wrong types. */
  constructor(options: SubscribeOptions, leave: () => void) {
    checkObject(options, "what subscribe takes");
    const { from, last, since, presence = false, onEvents } = options;
    if ([from, last, since].filter((each) => each !== undefined).length > 1) {
      throw new RangeError("from, last and since each say where to begin: choose one");
    }
    for (const [what, value] of Object.entries({ from, last, since })) {
      if (value !== undefined) {
        checkNumber(value, what);
      }
    }
    if (onEvents !== undefined) {
      checkFunction(onEvents, "onEvents");
    }
    if (typeof presence !== "boolean") {
      throw new TypeError("presence is true or false");
    }
    this.#beginning = { from, last, since };
    this.presence = presence;
    this.inbox = new Inbox(onEvents, leave);
  }

  /** Where to begin now. */
  get beginning(): Beginning {
    if (this.replaced) {
      return {};
    }
    return this.next === null ? this.#beginning : { from: this.next };
  }

  /** The number of the newest message handed on, or that it began behind; null before. */
  get position(): number | null {
    return this.next === null ? null : this.next - 1;
  }

  subbed(room: string, head: number): void {
    if (this.replaced) {
      this.replaced = false;
      this.next = head + 1;
      this.#seen = -1;
      this.inbox.put({ kind: "replaced", room, head });
    }
    this.next ??= this.#behind(head);
    this.inbox.put({ kind: "subbed", room, head });
  }

  message(reply: ReplyOf<"MSG">): void {
    const { room, seq, sender, millis, payload, extras } = reply;
    if (seq <= this.#seen || (this.next !== null && seq < this.next)) {
      return;
    }
    this.#seen = seq;
    this.next = seq + 1;
    this.inbox.put({
      kind: "message",
      message: new Message(room, seq, sender, millis, payload, extras),
    });
  }

  missed(room: string, first: number, last: number): void {
    this.next = Math.max(this.next ?? 0, last + 1);
    this.inbox.put({ kind: "missed", room, first, last });
  }

  live(room: string, head: number): void {
    this.next = Math.max(this.next ?? 0, head + 1);
    this.inbox.put({ kind: "live", room, head });
  }

  /**
   * Return where to go on if the connection is lost before the first message. Null: what was asked
   * for first says it. After `last` it is where the last messages begin if no number was skipped:
   * never so late that a message were passed over.
   */
  #behind(head: number): number | null {
    const { from, last, since } = this.#beginning;
    if (from !== undefined) {
      return from;
    }
    if (last !== undefined) {
      return Math.max(1, head + 1 - last);
    }
    return since === undefined ? head + 1 : null;
  }
}
