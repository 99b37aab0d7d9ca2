/**
 * One conversation, a room's or with one person: what was said, what is being sent, who is here.
 *
 * Law of this file: nothing of the network. Entries stand in the order of their numbers, each once;
 * what is unread is counted as it comes, never searched for.
 */

import type { ClientError } from "tcpmsg";
import { type Entry, type Said, type Sending, same } from "./entry";
import { isDirect } from "./grammar";
import { Observable } from "./observable";

/** Where the first entry stands for the virtual list: there is room for as many before it. */
export const FIRST_INDEX = 1_000_000_000;

/** How many entries are kept of a conversation that is read at its end. More are loaded again as one
 * scrolls up: a day of a busy room does not fill the browser. */
export const MOST_ENTRIES = 20_000;

/** How many are kept when there were more: trimming is rare. */
export const KEPT_ENTRIES = 10_000;

export interface Own extends Sending {
  /** The newest number in the room when it was written: its echo has a higher one. */
  readonly after: number;
  /** Whether its echo stands among the entries; it is not shown here then. */
  readonly echoed: boolean;
  /** The number that it was stored under; null while that is not known. */
  readonly seq: number | null;
}

export class Conversation extends Observable {
  readonly name: string;
  readonly direct: boolean;
  /** Mutable, and never replaced without `firstIndex` telling by how much its beginning moved. */
  readonly entries: Entry[] = [];
  firstIndex = FIRST_INDEX;
  /** Everybody who is here, by the server's word; null before it was told. */
  people: ReadonlySet<string> | null = null;
  /** How many more are here than could be told. */
  peopleCut = 0;
  /** Whether all that was there at joining has come. */
  live: boolean;
  /** Whether nothing older is kept by the server. */
  complete: boolean;
  loading = false;
  /** Whether it is known where one reads on: all that is unread has come, or as much of it as is loaded at once. */
  settled: boolean;
  /** Why older messages could not be loaded. */
  error: ClientError | null = null;
  /** Why one is in the room no longer, or could not join. */
  ended: ClientError | null = null;
  /** The number up to which all is read. */
  readTo: number;
  unread = 0;
  /** How many of the unread call for me. */
  calls = 0;
  /** Unread begins behind this number; shown as a line until one leaves. Null: no line. */
  divider: number | null = null;
  /** Whether the end is before somebody's eyes, so that what comes is read. */
  attended = false;
  /** Of direct messages: numbers given on this side, for there are none that last. */
  #local = 0;
  #own: Own[] = [];
  #shown: readonly Own[] = [];

  constructor(name: string, readTo: number | null) {
    super();
    this.name = name;
    this.direct = isDirect(name);
    this.live = this.direct;
    this.complete = this.direct;
    this.settled = this.direct;
    this.readTo = readTo ?? -1;
  }

  /** The newest number that is here; -1 if there is none. */
  get newest(): number {
    for (let index = this.entries.length - 1; index >= 0; index -= 1) {
      const entry = this.entries[index];
      if (entry?.kind === "said") return entry.seq;
      if (entry?.kind === "missed") return entry.last;
    }
    return -1;
  }

  /** The oldest number that is here, or null. */
  get oldest(): number | null {
    for (const entry of this.entries) {
      if (entry.kind === "said") return entry.seq;
      if (entry.kind === "missed") return entry.first;
    }
    return null;
  }

  /** What is shown of one's own messages below the entries. */
  get sending(): readonly Own[] {
    return this.#shown;
  }

  /** Take what came, in order. */
  append(entries: readonly Entry[]): void {
    for (let entry of entries) {
      if (entry.kind === "said") {
        if (entry.seq <= this.newest) continue;
        entry = this.#echo(entry);
        if (!entry.mine && entry.seq > this.readTo) this.#count(entry);
        if (this.attended || (entry.mine && this.unread === 0)) this.readTo = Math.max(this.readTo, entry.seq);
      }
      this.entries.push(entry);
    }
    this.#trim();
    this.changed();
  }

  /** Take older entries, in order, all below what is here. */
  prepend(entries: readonly Entry[], complete: boolean): void {
    const oldest = this.oldest ?? Infinity;
    const older = entries.filter((entry) => entry.kind !== "said" || entry.seq < oldest);
    for (const entry of older) {
      if (entry.kind === "said" && !entry.mine && entry.seq > this.readTo) this.#count(entry);
    }
    this.entries.unshift(...older);
    this.firstIndex -= older.length;
    this.complete = complete;
    this.loading = false;
    this.changed();
  }

  /** Whether something unread is older than what is here. */
  get behind(): boolean {
    return this.unread > 0 && !this.complete && (this.oldest ?? 0) > this.readTo + 1;
  }

  /** Say something in a conversation whose numbers nobody else gives. */
  appendLocal(entry: Omit<Said, "seq" | "kind">): void {
    this.append([{ ...entry, kind: "said", seq: this.nextLocal() }]);
  }

  /** Take what was said in such a conversation before, in order, and is read. */
  prependLocal(entries: readonly Omit<Said, "seq" | "kind">[]): void {
    const first = Math.min(this.oldest ?? 0, 0) - entries.length; // below what is here, and below what is not read
    this.prepend(entries.map((entry, index) => ({ ...entry, kind: "said", seq: first + index })), true);
  }

  nextLocal(): number {
    this.#local = Math.max(this.#local, this.newest) + 1;
    return this.#local;
  }

  /** Forget all entries: the server has others now. */
  replace(): void {
    this.entries.length = 0;
    this.entries.push({ kind: "replaced" });
    this.firstIndex = FIRST_INDEX;
    this.complete = true;
    this.unread = 0;
    this.calls = 0;
    this.divider = null;
    this.readTo = -1;
    this.#own = this.#own.map((each) => ({ ...each, after: -1 })); // numbers begin anew
    this.#show();
  }

  /** The end is before somebody's eyes, or no longer. */
  attend(attended: boolean): void {
    if (attended === this.attended) return;
    this.attended = attended;
    if (attended) this.markRead();
  }

  /** All that is here is read. */
  markRead(): void {
    this.readTo = Math.max(this.readTo, this.newest);
    if (this.unread || this.calls) {
      this.unread = 0;
      this.calls = 0;
      this.changed();
    }
  }

  /** The line before what was unread goes. */
  clearDivider(): void {
    if (this.divider === null) return;
    this.divider = null;
    this.changed();
  }

  /** Set whatever else is known, in one change. */
  set(
    news: Partial<Pick<Conversation, "people" | "peopleCut" | "live" | "complete" | "settled" | "loading" | "error" | "ended">>,
  ): void {
    Object.assign(this, news);
    this.changed();
  }

  /** One's own message is on its way, or further on it. */
  own(message: Omit<Sending, "kind">, after: number): void {
    const index = this.#own.findIndex((each) => each.key === message.key);
    const before = this.#own[index];
    if (before === undefined) {
      this.#own.push({ ...message, kind: "sending", after, echoed: false, seq: null });
    } else {
      this.#own[index] = { ...before, ...message };
    }
    this.#show();
  }

  /** Return one's own message that is on its way. */
  findOwn(key: string): Own | undefined {
    return this.#own.find((each) => each.key === key);
  }

  /** It is on its way no longer. */
  dropOwn(key: string): void {
    this.#own = this.#own.filter((each) => each.key !== key);
    this.#show();
  }

  /** It is stored: shown until it is seen in its place. `seq` is null where the number is not known. */
  storedOwn(key: string, seq: number | null): void {
    const own = this.findOwn(key);
    if (own === undefined) return;
    if (own.echoed || (seq !== null && seq <= this.newest)) {
      this.dropOwn(key);
    } else {
      this.#own = this.#own.map((each) => (each === own ? { ...own, state: "stored", reason: null, seq } : each));
      this.#show();
    }
  }

  #show(): void {
    this.#shown = this.#own.filter((each) => !each.echoed);
    this.changed();
  }

  /** One's own message has come back: the one that was stored under this number, or of those whose number is not known
   * the first that is the same and was written before it. It keeps its key. */
  #echo(entry: Said): Said {
    if (this.direct || this.#own.length === 0) return entry;
    const like = (each: Own): boolean =>
      entry.mine && each.seq === null && !each.echoed && each.state !== "failed" && entry.seq > each.after && same(each.content, entry.content);
    const own = this.#own.find((each) => each.seq === entry.seq) ?? this.#own.find(like);
    if (own === undefined) return entry;
    if (own.state === "stored") this.#own = this.#own.filter((each) => each !== own);
    else this.#own = this.#own.map((each) => (each === own ? { ...each, echoed: true } : each));
    this.#show();
    return { ...entry, key: own.key };
  }

  #count(entry: Said): void {
    if (this.attended) return;
    if (this.unread === 0) this.divider = this.readTo;
    this.unread += 1;
    if (entry.calls) this.calls += 1;
  }

  #trim(): void {
    if (!this.attended && this.#reading) return;
    const excess = this.entries.length - KEPT_ENTRIES;
    if (this.entries.length <= MOST_ENTRIES) return;
    this.entries.splice(0, excess);
    this.firstIndex += excess;
    if (!this.direct) this.complete = false;
  }

  /** Whether somebody has scrolled up in it, so that nothing may be taken from under their eyes. */
  #reading = false;

  /** Somebody reads further up, or no longer. */
  reading(reading: boolean): void {
    this.#reading = reading;
  }
}
