/**
 * What has come and was not handed over yet: to a callback in batches, or to whoever iterates.
 *
 * Law of this file: everything is handed over once and in order, `ended` last. What a callback
 * throws is reported as any uncaught error is, and is nobody else's fault.
 */

import { cost, type DirectEvent, type RoomEvent } from "./events.js";

type Event = RoomEvent | DirectEvent;

/** Bytes of events that may wait to be iterated, beside the one that goes over it: a few thousand
 * chat lines. */
export const UNREAD_BYTES = 1024 * 1024;

/** A queue of events with one reader. */
export class Inbox<E extends Event> implements AsyncIterable<E> {
  /** Bytes of what waits. */
  size = 0;
  /** Called when something was taken by an iterator. */
  taken: () => void = () => {};
  #events: E[] = [];
  #ended = false;
  #waiting: (() => void)[] = [];
  readonly #onEvents: ((events: readonly E[]) => void) | undefined;
  readonly #leave: () => void;

  /** Take the callback (none: it is iterated), and what to do when an iterator is left. */
  constructor(onEvents: ((events: readonly E[]) => void) | undefined, leave: () => void) {
    this.#onEvents = onEvents;
    this.#leave = leave;
  }

  /** Whether too much waits for an iterator. */
  get full(): boolean {
    return this.#iterated && this.size > UNREAD_BYTES && this.#events.length > 1;
  }

  /** Whether an iterator has caught up enough to go on. */
  get roomy(): boolean {
    return !this.#iterated || this.size <= UNREAD_BYTES / 2;
  }

  /** Whether events wait for an iterator, and not only for the end of the piece they came in. */
  get #iterated(): boolean {
    return this.#onEvents === undefined;
  }

  get ended(): boolean {
    return this.#ended;
  }

  put(event: E): void {
    if (!this.#ended) {
      this.#ended = event.kind === "ended";
      this.#events.push(event);
      this.size += cost(event);
    }
  }

  /** Take the oldest event out, or return undefined. */
  shift(): E | undefined {
    const event = this.#events.shift();
    if (event !== undefined) {
      this.size -= cost(event);
    }
    return event;
  }

  /**
   * Drop the oldest events while too much waits for an iterator; a `dropped` in their place counts
   * them. For what cannot be asked for again.
   */
  dropOldest(this: Inbox<DirectEvent>): void {
    if (!this.full) {
      return;
    }
    let count = 0;
    while (this.full) {
      const event = this.shift();
      count += event?.kind === "dropped" ? event.count : 1;
    }
    const dropped: DirectEvent = { kind: "dropped", count };
    this.#events.unshift(dropped);
    this.size += cost(dropped);
  }

  /** Drop what waits. */
  clear(): void {
    this.#events = [];
    this.size = 0;
  }

  /** Hand over what has come in one piece. */
  rest(): void {
    if (this.#onEvents === undefined) {
      if (this.#events.length > 0 || this.#ended) {
        for (const wake of this.#waiting.splice(0)) {
          wake();
        }
      }
      return;
    }
    if (this.#events.length > 0) {
      const events = this.#events;
      this.clear();
      try {
        this.#onEvents(events);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Iterate: ends behind `ended`, throwing its error if it has one; leaving early leaves the room. */
  [Symbol.asyncIterator](): AsyncIterator<E, undefined> {
    if (this.#onEvents !== undefined) {
      throw new TypeError("its events go to onEvents: leave that out to iterate");
    }
    return {
      next: () => this.#next(),
      return: () => {
        this.#leave();
        return Promise.resolve(DONE);
      },
    };
  }

  async #next(): Promise<IteratorResult<E, undefined>> {
    for (;;) {
      const event = this.shift();
      if (event === undefined) {
        if (this.#ended) {
          return DONE;
        }
        await new Promise<void>((wake) => this.#waiting.push(wake));
      } else if (event.kind === "ended") {
        if (event.error !== null) {
          throw event.error;
        }
        return DONE;
      } else {
        this.taken();
        return { value: event, done: false };
      }
    }
  }
}

const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true };
