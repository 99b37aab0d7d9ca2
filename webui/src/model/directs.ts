/**
 * The direct messages that the browser keeps, because the server does not.
 *
 * Law of this file: each message is written by itself, as soon as it comes, so a page that is closed or
 * crashes has lost none; whatever the browser gives back is checked, and what does not fit is as if it were
 * not there. A browser that keeps nothing is one in which they live as long as the page.
 */

import type { Content } from "./entry";
import { isDirect, isPlace } from "./grammar";
import { isRecord } from "./storage";

/** Direct messages that are kept with each person. */
export const KEPT_EACH = 200;

/** Bytes of all of them, two for each character: all are read when the page is opened, and a browser has to bear that. */
export const KEPT_BYTES = 32 * 1024 * 1024;

/** How long, in milliseconds, a page waits for the browser to open what it keeps, before it goes on without; it takes it
 * when it comes. */
const PATIENCE = 1500;

const STORE = "directs";

export interface KeptMessage {
  readonly sender: string;
  /** Unix time in milliseconds. */
  readonly time: number;
  readonly content: Content;
}

/** A message and what is needed to keep it, or not: numbers rise. They are times, so that a page that could not read what
 * is kept, or that goes on where another one has been, writes over nothing. */
export interface Kept extends KeptMessage {
  readonly number: number;
  readonly peer: string;
}

export class Directs {
  /** Whether the browser has kept what it was told. */
  keeps = true;
  /** Called when that has changed. */
  onKeeps: () => void = () => {};
  /** Called with what was kept, oldest first, when it came so late that the page has gone on without. */
  onLate: (messages: readonly Kept[]) => void = () => {};
  #database: IDBDatabase | null;
  readonly #prefix: string;
  #kept: readonly Kept[] = [];
  #next = 1;

  /** What is kept under a prefix; without a database nothing is, beyond the page. */
  constructor(database: IDBDatabase | null = null, prefix = "") {
    this.#database = database;
    this.#prefix = prefix;
  }

  /** Open what is kept under a prefix. Resolves always, and soon. */
  static async open(prefix: string): Promise<Directs> {
    const directs = new Directs(null, prefix);
    let late = false;
    const loaded = directs.#load().then(
      (kept) => {
        directs.#kept = [...kept, ...directs.#kept];
        if (late) directs.onLate(kept);
      },
      () => {}, // what cannot be read is as if it were not there
    );
    await Promise.race([loaded, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
    late = true;
    return directs;
  }

  /** Return what was said with somebody (`@` and a name), oldest first. */
  of(peer: string): readonly Kept[] {
    return this.#kept.filter((each) => each.peer === peer);
  }

  /** Keep a message with somebody; the oldest go where there is no room. */
  keep(peer: string, { sender, time, content }: KeptMessage): void {
    const number = Math.max(this.#next, Date.now());
    const message = { number, peer, sender, time, content };
    this.#next = number + 1;
    const [kept, gone] = withinBounds([...this.#kept, message]);
    this.#kept = kept;
    this.#write(message, gone);
  }

  #write(message: Kept, gone: readonly Kept[]): void {
    if (this.#database === null) {
      this.#told(false);
      return;
    }
    try {
      const act = this.#database.transaction(STORE, "readwrite", { durability: "strict" });
      const store = act.objectStore(STORE);
      for (const { number } of gone) store.delete([this.#prefix, number]);
      if (!gone.includes(message)) store.put(message, [this.#prefix, message.number]);
      act.oncomplete = () => this.#told(true);
      act.onabort = () => this.#told(false);
      act.commit();
    } catch {
      this.#told(false); // the browser has closed the database
    }
  }

  #told(keeps: boolean): void {
    if (keeps === this.keeps) return;
    this.keeps = keeps;
    this.onKeeps();
  }

  /** Take what the browser has kept, and give it what came before it could take that; returns what it had. */
  async #load(): Promise<readonly Kept[]> {
    const database = await open();
    const read = this.#read(database);
    this.#database = database; // what is written from now on is written behind what is being read
    for (const message of this.#kept) this.#write(message, []);
    return read;
  }

  async #read(database: IDBDatabase): Promise<readonly Kept[]> {
    const store = database.transaction(STORE, "readonly").objectStore(STORE);
    const all = IDBKeyRange.bound([this.#prefix], [this.#prefix, []]);
    const [keys, values] = await Promise.all([answer(store.getAllKeys(all)), answer<unknown[]>(store.getAll(all))]);
    const numbers = keys.map((key) => (Array.isArray(key) && typeof key[1] === "number" ? key[1] : 0));
    this.#next = Math.max(this.#next, ...numbers.slice(-1).map((number) => number + 1));
    return values.flatMap((value, index) => (isMessage(value) ? [{ ...value, number: numbers[index] ?? 0 }] : []));
  }
}

/** Part messages, oldest first, into those that stay and those that have to go. */
export function withinBounds(messages: readonly Kept[]): [Kept[], Kept[]] {
  const counts = new Map<string, number>();
  const kept: Kept[] = [];
  const gone: Kept[] = [];
  let bytes = 0;
  for (const message of [...messages].reverse()) {
    const count = (counts.get(message.peer) ?? 0) + 1;
    counts.set(message.peer, count);
    bytes += 2 * message.content.length; // a character of a text takes two at the most
    (count <= KEPT_EACH && bytes <= KEPT_BYTES ? kept : gone).push(message);
  }
  return [kept.reverse(), gone.reverse()];
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open("tcpmsg", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return answer(request);
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser does not say why"));
  });
}

function isMessage(value: unknown): value is Omit<Kept, "number"> {
  return (
    isRecord(value) &&
    typeof value["peer"] === "string" &&
    isDirect(value["peer"]) &&
    isPlace(value["peer"]) &&
    typeof value["sender"] === "string" &&
    typeof value["time"] === "number" &&
    (typeof value["content"] === "string" || value["content"] instanceof Uint8Array)
  );
}
