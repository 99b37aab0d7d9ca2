/**
 * What a client takes and gives, as types.
 *
 * Law of this file: types only.
 */

import type { ClientError } from "./errors.js";
import type { DirectEvent, RoomEvent } from "./events.js";
import type { State } from "./lifeline.js";
import type { Entropy } from "./secret.js";
import type { OutboxStore } from "./stores.js";
import type { Receipt } from "./talk.js";
import type { Clock, Transport } from "./transport.js";

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

/** A message is not taken, and was taken out of the outbox. */
export interface Refusal {
  readonly key: string;
  readonly room: string;
  readonly payload: Uint8Array;
  readonly error: ClientError;
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

/**
 * A room that one is in, over however many connections: each message once, in order.
 *
 * Iterated (and not with `onEvents`), it is bounded: whoever reads too slowly leaves the room, reads
 * what there is, and joins again where it was; nothing is lost. Iteration ends at `close`, or throws
 * why it has ended.
 */
export interface Subscription extends AsyncIterable<RoomEvent> {
  readonly room: string;
  /** The number of the newest message taken, or the head it began behind; null before. */
  readonly position: number | null;
  /** Leave the room. Unread events are dropped. */
  close(): void;
}

/** Direct messages that are being taken. */
export interface Directs extends AsyncIterable<DirectEvent> {
  /** Take no more. Unread events are dropped. */
  close(): void;
}

export interface ClientOptions {
  transport: Transport;
  /** What one wants to be called; the server numbers it if it is taken. */
  name?: string;
  /** The client's secret, 16 to 64 printable ASCII characters: keep it together with the outbox. Drawn at
   * random if it is left out. Two programs must not use one: the newer takes over. */
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
  entropy?: Entropy;
}

export interface ClientEvents {
  state: (state: State) => void;
  /** Something was added to or taken from `outbox`, or sent. */
  outbox: () => void;
  stored: (receipt: Receipt) => void;
  /** Also for `Undelivered` direct messages, and for those whose outcome is unknown. */
  refused: (refusal: Refusal) => void;
}
