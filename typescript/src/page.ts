/**
 * A page of a room's history: which `SUB`s find it, and what of their answers belongs to it.
 *
 * Law of this file: a page is bounded in messages and in bytes. Numbers may skip, so who reads
 * upwards looks further back until the page is full or nothing older is kept.
 */

import { Message } from "./events.js";
import { checkNumber, checkObject } from "./wire/arguments.js";
import type { ReplyOf } from "./wire/replies.js";
import type { Beginning } from "./wire/requests.js";

/** Messages of a page unless said. */
const COUNT = 50;

/** Messages of a page at the most: a page is held whole. */
const MAX_COUNT = 10_000;

/** Bytes of payloads of a page, beside one message that is larger by itself. */
export const PAGE_BYTES = 4 * 1024 * 1024;

/** How much further each look back goes than the one before. */
const WIDER = 4;

export interface HistoryOptions {
  /** Only messages below this number: the `count` nearest to it. For scrolling up. */
  before?: number;
  /** Messages from this number on. */
  from?: number;
  /** Messages from this Unix time in milliseconds on. */
  since?: number;
  /** How many at the most, up to 10,000; 50 if it is left out. */
  count?: number;
}

/** Messages of a room, in order. With none of `before`, `from`, `since`: the newest ones. */
export interface HistoryPage {
  readonly messages: readonly Message[];
  /** Whether there may be more in the direction of reading (older ones for `before` and the newest,
   * newer ones for `from` and `since`). */
  readonly more: boolean;
  /** The number of the room's newest message when it was read. */
  readonly head: number;
  /** The first numbers among those asked for that are no longer kept, or null if all are. */
  readonly missed: { readonly first: number; readonly last: number } | null;
}

/** One page, being read. */
export class Page {
  /** Whether all of it has come. */
  finished = false;
  /** What to ask the server for now. */
  beginning: Beginning;
  readonly #count: number;
  readonly #upwards: boolean;
  #before: number | null;
  #head = 0;
  #messages: Message[] = [];
  #bytes = 0;
  #cut = false; // whether there were more than fit
  #bottom = false; // whether nothing older is kept
  #window: number;
  #missed: HistoryPage["missed"] = null;

  /** Throws RangeError for two places to begin at, and for what is no number; TypeError for wrong types. */
  constructor(options: HistoryOptions) {
    checkObject(options, "what history takes");
    const { before, from, since, count = COUNT } = options;
    if ([before, from, since].filter((each) => each !== undefined).length > 1) {
      throw new RangeError("before, from and since each say where a page is: choose one");
    }
    checkNumber(count, "count", 1);
    for (const [what, value] of Object.entries({ before, from, since })) {
      if (value !== undefined) {
        checkNumber(value, what);
      }
    }
    this.#count = Math.min(count, MAX_COUNT);
    this.#window = this.#count;
    this.#before = before ?? null;
    this.#upwards = from === undefined && since === undefined;
    if (before !== undefined) {
      this.beginning = { from: Math.max(0, before - this.#window) };
    } else if (this.#upwards) {
      this.beginning = { last: this.#count };
    } else {
      this.beginning = from === undefined ? { since } : { from };
    }
  }

  /** What was found. */
  get result(): HistoryPage {
    const newest = this.#messages.at(-1);
    const more = this.#upwards
      ? this.#cut || !this.#bottom
      : this.#cut && (newest === undefined || newest.seq < this.#head);
    return { messages: this.#messages, more, head: this.#head, missed: this.#missed };
  }

  /** Begin again from the first question, on a new connection. */
  again(): void {
    this.#messages = [];
    this.#bytes = 0;
    this.#cut = this.#bottom = false;
    this.#missed = null;
  }

  subbed(head: number): void {
    this.#head = head;
    if (this.#upwards && this.#before === null) {
      this.#before = head + 1; // the newest there were when it was asked first
    }
  }

  message(reply: ReplyOf<"MSG">): void {
    if (this.#before !== null && reply.seq >= this.#before) {
      this.ended();
      return;
    }
    this.#messages.push(
      new Message(reply.room, reply.seq, reply.sender, reply.millis, reply.payload, reply.extras),
    );
    this.#bytes += reply.payload.length;
    const over = () => this.#messages.length > 1 && this.#bytes > PAGE_BYTES;
    if (this.#upwards) {
      while (this.#messages.length > this.#count || over()) {
        this.#bytes -= (this.#messages.shift() as Message).payload.length;
        this.#cut = true;
      }
    } else if (this.#messages.length === this.#count || over()) {
      this.#cut = true;
      this.finished = true;
    }
  }

  missed(first: number, last: number): void {
    this.#missed ??= { first, last };
    this.#bottom ||= this.#messages.length === 0;
    if (this.#before !== null && last >= this.#before - 1) {
      this.ended();
    }
  }

  /** All that was asked for has come: it is finished, or has to look further back. */
  ended(): void {
    const from = this.beginning.from;
    this.#bottom ||= from !== undefined && from <= 1;
    if (!this.#upwards || this.#bottom || this.#cut || this.#messages.length === this.#count) {
      this.finished = true;
      return;
    }
    this.#window *= WIDER;
    this.beginning = { from: Math.max(0, (this.#before as number) - this.#window) };
    this.again();
  }

  /** The server has no such numbers yet: the newest messages are nearest. Whether that helps. */
  beyond(): boolean {
    if (this.#before === null || this.beginning.last !== undefined) {
      return false;
    }
    this.#before = null;
    this.beginning = { last: this.#count };
    this.again();
    return true;
  }
}
