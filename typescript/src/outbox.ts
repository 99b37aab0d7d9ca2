/**
 * The messages that are not known to be stored: ids, and what must be sent again.
 *
 * Law of this file: ids rise and are never given twice; what is settled is settled once, and never
 * sent again; what is sent again has the id it had, and keeps its order; a message is kept by the
 * store before it is sent. No timers and no connection here.
 */

import { Superseded } from "./errors.js";
import { Recent } from "./recent.js";
import type { OutboxStore, StoredMessage } from "./stores.js";
import { HEADER_SIZE } from "./wire/limits.js";
import { DIRECT, MAX_ID } from "./wire/names.js";
import { pub } from "./wire/requests.js";

/** Messages that may be on their way without an acknowledgement: enough for a server to gather
 * several big groups while its disk takes its time. */
export const FLIGHT_MESSAGES = 4096;

/** Bytes of such messages, headers included: what the transport holds at most, beside one message
 * that is larger by itself. */
export const FLIGHT_BYTES = 2 * 1024 * 1024;

/** Bytes that may be owed in all before senders are asked to wait. */
export const ROOM_BYTES = 4 * FLIGHT_BYTES;

/** Direct messages remembered behind their acknowledgement, for a notice that comes later. */
const NOTICED = 256;

/** A message that is not settled. `waiter` is the caller's. */
export interface Entry<W> extends StoredMessage {
  id: bigint | null;
  /** Whether it was ever handed to a connection, in this process. */
  sent: boolean;
  /** Whether it is on its way on this connection. */
  flying: boolean;
  readonly waiter: W | null;
}

/** The messages that a client owes its server, in the order of their ids. */
export class Outbox<W> {
  /** Bytes of all that is not settled. */
  owed = 0;
  /** What the store could not do, the last time that it could not; null if it was never so. */
  storeError: Error | null = null;
  readonly #store: OutboxStore;
  readonly #flightMessages: number;
  readonly #flightBytes: number;
  readonly #entries = new Map<string, Entry<W>>();
  readonly #ids = new Map<bigint, Entry<W>>();
  readonly #noticed = new Recent<bigint, Entry<W>>(NOTICED);
  #unsent: Entry<W>[] = [];
  #unsentAt = 0;
  #next = 1n;
  #handed = 0n; // the highest id that may have reached the server
  #begun = false;
  #aloft = 0;
  #flyingBytes = 0;

  /** Take the store, whose messages are owed from the beginning, and how much may be on its way. */
  constructor(store: OutboxStore, flightMessages = FLIGHT_MESSAGES, flightBytes = FLIGHT_BYTES) {
    this.#store = store;
    this.#flightMessages = flightMessages;
    this.#flightBytes = flightBytes;
    for (const message of this.#loaded()) {
      this.#insert({ ...message, sent: message.id !== null, flying: false, waiter: null });
      if (message.id !== null && message.id > this.#handed) {
        this.#handed = message.id; // by an earlier process, perhaps
        this.#next = message.id + 1n;
      }
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The messages, oldest first. */
  entries(): Iterable<Entry<W>> {
    return this.#entries.values();
  }

  /** Take a message. Throws RangeError for a key that is there already, or if no ids are left. */
  add(key: string, room: string, payload: Uint8Array, time: number, waiter: W): void {
    if (this.#entries.has(key)) {
      throw new RangeError(`a message with the key ${key} is on its way already`);
    }
    const id = this.#begun ? this.#take() : null; // before, it is not known which are free
    const entry = { key, room, payload, time, id, sent: false, flying: false, waiter };
    this.#insert(entry);
    this.#unsent.push(entry);
    this.#keep(entry);
  }

  /** Take a message back that was never handed to a connection. */
  discard(key: string): Entry<W> | null {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.sent) {
      return null;
    }
    this.#settle(entry);
    return entry;
  }

  /**
   * Return the frames to send now: what is not handed over on this connection, as far as may be in flight.
   * One message goes even if it is larger than all that may be.
   */
  take(): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    for (; this.#unsentAt < this.#unsent.length; this.#unsentAt += 1) {
      const entry = this.#unsent[this.#unsentAt] as Entry<W>;
      if (this.#entries.get(entry.key) !== entry || entry.id === null) {
        continue; // settled meanwhile
      }
      const bytes = cost(entry);
      if (
        this.#aloft >= this.#flightMessages ||
        (this.#aloft > 0 && this.#flyingBytes + bytes > this.#flightBytes)
      ) {
        break;
      }
      entry.sent = true;
      entry.flying = true;
      this.#aloft += 1;
      this.#flyingBytes += bytes;
      this.#handed = highest(entry.id, this.#handed);
      pieces.push(...pub(entry.room, entry.id, entry.payload));
    }
    if (this.#unsentAt === this.#unsent.length) {
      this.#unsent = [];
      this.#unsentAt = 0;
    }
    return pieces;
  }

  /** Settle all up to an id; return them. What was not handed over cannot be acknowledged. */
  acknowledge(id: bigint): Entry<W>[] {
    const done: Entry<W>[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.id === null || entry.id > id || entry.id > this.#handed) {
        break;
      }
      done.push(entry);
    }
    for (const entry of done) {
      this.#settle(entry);
      if (entry.room.startsWith(DIRECT)) {
        this.#noticed.set(entry.id as bigint, entry);
      }
    }
    return done;
  }

  /** Give up a message that the server refuses, or only the notice of it; null if there is none of that id. */
  refuse(id: bigint): Entry<W> | null {
    const entry = this.#ids.get(id);
    if (entry === undefined || !entry.flying) {
      return null; // what was not sent cannot be refused
    }
    this.#settle(entry);
    return entry;
  }

  /** Return a direct message that was acknowledged a little while ago, once, for a notice about it. */
  noticed(id: bigint): Entry<W> | null {
    return this.#noticed.take(id);
  }

  /** The lowest id that was handed over on this connection and is not settled, or null. */
  get oldest(): bigint | null {
    for (const entry of this.#entries.values()) {
      return entry.flying ? entry.id : null;
    }
    return null;
  }

  /**
   * Begin on a new connection, whose server has received the ids up to `lastId`. They are stored, and
   * settled and returned; all others are handed over again. Throws `Superseded` if somebody else must
   * have sent with this client's secret meanwhile.
   */
  resume(lastId: bigint): Entry<W>[] {
    if (this.#begun && lastId > this.#handed) {
      throw new Superseded(
        "another program or tab has sent with the same client secret meanwhile: go on there, or " +
          "begin here with a secret of your own",
      );
    }
    if (!this.#begun) {
      this.#begun = true;
      this.#handed = highest(lastId, this.#handed);
      this.#next = highest(lastId + 1n, this.#next);
    }
    const done = this.acknowledge(lastId);
    this.#aloft = 0;
    this.#flyingBytes = 0;
    for (const entry of this.#entries.values()) {
      entry.flying = false;
      if (entry.id === null) {
        entry.id = this.#take();
        this.#ids.set(entry.id, entry);
        this.#keep(entry);
      }
    }
    this.#unsent = [...this.#entries.values()];
    this.#unsentAt = 0;
    return done;
  }

  /** Forget everything here (the store keeps it); return what was not settled. */
  clear(): Entry<W>[] {
    const left = [...this.#entries.values()];
    this.#entries.clear();
    this.#ids.clear();
    this.#unsent = [];
    this.#unsentAt = 0;
    this.owed = this.#aloft = this.#flyingBytes = 0;
    return left;
  }

  // -- within ------------------------------------------------------------------------------

  #loaded(): StoredMessage[] {
    try {
      // Those with an id come first, in the order of their ids, whatever a store makes of it.
      const found = this.#store.load();
      const numbered = found.filter(({ id }) => id !== null);
      numbered.sort((a, b) => ((a.id as bigint) < (b.id as bigint) ? -1 : 1));
      return [...numbered, ...found.filter(({ id }) => id === null)];
    } catch (error) {
      this.#failed(error);
      return [];
    }
  }

  #insert(entry: Entry<W>): void {
    this.#entries.set(entry.key, entry);
    if (entry.id !== null) {
      this.#ids.set(entry.id, entry);
    }
    this.owed += cost(entry);
  }

  #settle(entry: Entry<W>): void {
    this.#entries.delete(entry.key);
    if (entry.id !== null) {
      this.#ids.delete(entry.id);
    }
    this.owed -= cost(entry);
    if (entry.flying) {
      this.#aloft -= 1;
      this.#flyingBytes -= cost(entry);
    }
    try {
      this.#store.remove(entry.key);
    } catch (error) {
      this.#failed(error);
    }
  }

  #keep({ key, room, payload, time, id }: Entry<W>): void {
    try {
      this.#store.put({ key, room, payload, time, id });
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.storeError = error instanceof Error ? error : new Error(String(error));
  }

  #take(): bigint {
    if (this.#next > MAX_ID) {
      throw new RangeError(
        `this client has no ids left: they end at ${MAX_ID}; take another secret`,
      );
    }
    const id = this.#next;
    this.#next += 1n;
    return id;
  }
}

/** Return what a message counts, in bytes. */
function cost({ payload }: StoredMessage): number {
  return payload.length + HEADER_SIZE;
}

/** Return the higher of two ids; `Math.max` takes no bigints. */
function highest(a: bigint, b: bigint): bigint {
  if (a > b) {
    return a;
  }
  return b;
}
