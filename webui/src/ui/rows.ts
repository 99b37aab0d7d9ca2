/**
 * The rows of a conversation: what stands in each, and how it joins the one above it.
 *
 * Law of this file: pure. Places count from the oldest entry that is here; what is being sent stands behind the entries.
 */

import type { Conversation } from "../model/conversation";
import type { Entry, Sending } from "../model/entry";
import { dayOf } from "../text/times";

/** How long, in milliseconds, messages of one person stand under one name. */
const TOGETHER = 5 * 60 * 1000;

type Placed = Entry | Sending | undefined;

/** Return what stands in a place. */
export function at({ entries, sending }: Conversation, place: number): Placed {
  return place < entries.length ? entries[place] : sending[place - entries.length];
}

/** Return what a row is known by: what was being sent keeps it when it is stored. */
export function keyOf(entry: Placed, index: number): string | number {
  if (entry?.kind === "said") return entry.key ?? entry.seq;
  if (entry?.kind === "sending") return entry.key;
  return `at ${index}`;
}

/** Return the place at which unread begins, or -1. */
export function firstUnread({ entries, divider }: Conversation): number {
  return divider === null ? -1 : entries.findIndex((entry) => isNew(entry, divider));
}

export interface Joint {
  /** The time of a row with which a day begins. */
  readonly day: number | null;
  /** What is unread begins here. */
  readonly divided: boolean;
  /** Whether the row above is of the same person, a short time ago. */
  readonly together: boolean;
}

/** Return how something joins what stands above it, for somebody of this name. */
export function joint(entry: Entry | Sending, above: Placed, divider: number | null, me: string): Joint {
  const time = timeOf(entry);
  const before = timeOf(above);
  const divided = isNew(entry, divider) && !isNew(above, divider);
  const newDay = time !== null && (before === null || dayOf(time) !== dayOf(before));
  const soon = time !== null && before !== null && time - before < TOGETHER;
  const together = !divided && !newDay && soon && speaker(entry, me) === speaker(above, me);
  return { day: newDay ? time : null, divided, together };
}

function isNew(entry: Placed, divider: number | null): boolean {
  return entry?.kind === "said" && divider !== null && entry.seq > divider;
}

function timeOf(entry: Placed): number | null {
  return entry !== undefined && "time" in entry ? entry.time : null;
}

function speaker(entry: Placed, me: string): string | null {
  if (entry?.kind === "said") return entry.sender;
  return entry?.kind === "sending" ? me : null;
}
