/**
 * What stands in a conversation: messages, gaps, and what one is sending oneself.
 *
 * Law of this file: plain values. A payload that is text is kept as text alone, one that is not
 * as bytes alone, because a long history is many of them.
 */

import type { Message } from "tcpmsg";
import { mentions } from "./grammar";

/** A message that somebody said. */
export interface Said {
  readonly kind: "said";
  readonly seq: number;
  readonly sender: string;
  /** Unix time in milliseconds, by the server's clock. */
  readonly time: number;
  readonly content: Content;
  readonly mine: boolean;
  /** Whether it calls for me. */
  readonly calls: boolean;
  /** The key that it had while it was on its way, if that was here: it is one row still. */
  readonly key?: string;
}

/** Text, or bytes that are none. */
export type Content = string | Uint8Array;

/** Messages that the server no longer has. */
export interface Missed {
  readonly kind: "missed";
  readonly first: number;
  readonly last: number;
}

/** The server's history is another one than before. */
export interface Replaced {
  readonly kind: "replaced";
}

export type Entry = Said | Missed | Replaced;

/** A message of one's own that is not in the conversation yet. */
export interface Sending {
  readonly kind: "sending";
  readonly key: string;
  readonly content: Content;
  readonly time: number;
  /** `waiting`: nothing was handed to a connection; `sent`: no answer yet; `stored`: acknowledged, and soon
   * to be seen in its place; `failed`: refused, and not in any outbox. */
  readonly state: "waiting" | "sent" | "stored" | "failed";
  /** Why it failed. */
  readonly reason: string | null;
  /** Of what failed: whether its receiver may have it all the same. */
  readonly uncertain?: boolean;
}

/** Return a payload as what people can read, or as bytes: UTF-8 with zero bytes in it is no text. */
export function content(payload: Uint8Array, text: string | null): Content {
  return text === null || text.includes("\0") ? payload : text;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Return a payload's content. */
export function contentOf(payload: Uint8Array): Content {
  try {
    return content(payload, decoder.decode(payload));
  } catch {
    return payload;
  }
}

/** Return what a message is to somebody of this name. */
export function said(message: Message, name: string | undefined): Said {
  const found = content(message.payload, message.text);
  const mine = message.sender === name;
  return {
    kind: "said",
    seq: message.seq,
    sender: message.sender,
    time: message.time,
    content: found,
    mine,
    calls: !mine && name !== undefined && typeof found === "string" && mentions(found, name),
  };
}

/** Whether two contents are the same, byte for byte. */
export function same(one: Content, other: Content): boolean {
  if (typeof one === "string" || typeof other === "string") return one === other;
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** Return a key for a message, which holds the newest sequence number of its room when it was written. */
export function keyAfter(after: number, random: string): string {
  return `${after}:${random}`;
}

/** Return the sequence number that such a key holds, or -1. */
export function afterOf(key: string): number {
  const number = Number(key.split(":")[0]);
  return Number.isSafeInteger(number) ? number : -1;
}
