/**
 * What a client hands over: messages, and what else happens in a room.
 *
 * Law of this file: values, and what they cost; nothing here moves.
 */

import type { ClientError } from "./errors.js";
import { textOf } from "./wire/bytes.js";

/** A message of a room, or a direct one (`room` is then `@` and the receiver's name). */
export class Message {
  #text: string | null | undefined;

  constructor(
    readonly room: string,
    /** Its number in the room: rises, may skip. */
    readonly seq: number,
    readonly sender: string,
    /** Unix time in milliseconds. */
    readonly time: number,
    readonly payload: Uint8Array,
    /** Words that later servers add. */
    readonly extras: readonly string[] = [],
  ) {}

  /** The payload as text, or null if it is not UTF-8. Decoded once. */
  get text(): string | null {
    if (this.#text === undefined) {
      this.#text = textOf(this.payload);
    }
    return this.#text;
  }
}

/** What happens in a room that one has subscribed to, in order. */
export type RoomEvent =
  | { readonly kind: "message"; readonly message: Message }
  /** The numbers `first` to `last` are no longer kept; stands where the messages would have. */
  | {
      readonly kind: "missed";
      readonly room: string;
      readonly first: number;
      readonly last: number;
    }
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

/** Direct messages, as they come; they are live only. */
export type DirectEvent =
  | { readonly kind: "message"; readonly message: Message }
  /** So many were lost because they were not iterated in time. */
  | { readonly kind: "dropped"; readonly count: number }
  | { readonly kind: "ended"; readonly error: ClientError | null };

/** Bytes that a waiting event counts beside its payload: about what the object takes. */
const EVENT_COST = 256;

/** Bytes that a name of a list counts. */
const NAME_COST = 32;

/** Return what an unread event counts, in bytes. */
export function cost(event: RoomEvent | DirectEvent): number {
  switch (event.kind) {
    case "message":
      return EVENT_COST + event.message.payload.length;
    case "here":
      return EVENT_COST + NAME_COST * event.names.length;
    default:
      return EVENT_COST;
  }
}
