/**
 * The rows of a conversation: what stands in each, and how it joins the one above it.
 *
 * Law of this file: pure. Places count from the oldest entry that is here; what is being sent stands behind the entries.
 */

import type { Conversation } from "../model/conversation";
import type { Entry, Sending } from "../model/entry";
import { dayOf } from "../text/times";

/** How long, in milliseconds, a group of messages under one name may last: after that its sender and time are shown again. */
const GROUP_TIME = 5 * 60 * 1000;

/** How many rows a group may have: on a small screen its sender and time stay in sight. */
const GROUP_ROWS = 10;

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
  /** Whether it belongs to the group of the row above: the same sender, at most 5 minutes and 10 rows. */
  readonly together: boolean;
}

/** Return how the entry in a place joins the one above it; `me` is the reader's name. */
export function joint(conversation: Conversation, place: number, me: string): Joint {
  const entry = at(conversation, place);
  const above = at(conversation, place - 1);
  const { divider } = conversation;
  const time = timeOf(entry);
  const divided = isNew(entry, divider) && !isNew(above, divider);
  const newDay = time !== null && beginsDay(entry, above);
  const together = !divided && !newDay && groupOf(conversation, place, me).rows > 1;
  return { day: newDay ? time : null, divided, together };
}

/** Consecutive messages under one name: when the first was sent, in milliseconds, and how many rows it has so far. */
interface Group {
  readonly since: number;
  readonly rows: number;
  /** The row above the last one, if that is in the group too. */
  readonly above: Placed;
}

/** The group of each message that was drawn. A message stays in its group while the row above it stays, so that no row moves when older
 * ones are loaded. */
const groups = new WeakMap<Entry | Sending, Group>();

/** Return the group that ends with an entry. It looks at fewer than `GROUP_ROWS` entries above it. */
function groupOf(conversation: Conversation, place: number, me: string, depth = GROUP_ROWS - 1): Group {
  const entry = at(conversation, place);
  const above = at(conversation, place - 1);
  const known = entry && groups.get(entry);
  if (known !== undefined && (known.rows === 1 || known.above === above)) return known;
  const time = timeOf(entry) ?? 0;
  let group: Group = { since: time, rows: 1, above: undefined };
  if (depth > 0 && above !== undefined && speaker(entry, me) !== null && speaker(entry, me) === speaker(above, me) && !beginsDay(entry, above)) {
    const { since, rows } = groupOf(conversation, place - 1, me, depth - 1);
    if (rows < GROUP_ROWS && time - since < GROUP_TIME) group = { since, rows: rows + 1, above };
  }
  if (entry !== undefined) groups.set(entry, group);
  return group;
}

/** Whether an entry is of another day than the one above it. */
function beginsDay(entry: Placed, above: Placed): boolean {
  const time = timeOf(entry);
  const before = timeOf(above);
  return time !== null && (before === null || dayOf(time) !== dayOf(before));
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
