/**
 * Where the outbox is kept: in memory, or in a browser's storage so that it survives a reload.
 *
 * Law of this file: what was put stays until it is removed, in the order of the first putting.
 */

import { checkObject, checkText } from "./wire/arguments.js";
import { checkTarget } from "./wire/names.js";

/** A message as an outbox's store keeps it. */
export interface StoredMessage {
  readonly key: string;
  readonly room: string;
  readonly payload: Uint8Array;
  readonly time: number;
  /** Its id, once it has one. */
  readonly id: bigint | null;
}

/**
 * Where messages are kept until they are stored at the server. Synchronous, because a message is
 * kept before it is sent. What `load` returns is in the order of `put`. What `put` throws is told by
 * `Client.storeError`.
 */
export interface OutboxStore {
  load(): StoredMessage[];
  /** Keep a message, or replace the one with its key, in its place. */
  put(message: StoredMessage): void;
  remove(key: string): void;
  /** Whether somebody else has loaded the messages since, and sends them: this client then ends, as
   * superseded, when it would connect. Without it, nobody else can. */
  taken?(): boolean;
}

/** Keeps nothing beyond this process. */
export class MemoryOutbox implements OutboxStore {
  readonly #kept = new Map<string, StoredMessage>();

  load(): StoredMessage[] {
    return [...this.#kept.values()];
  }

  put(message: StoredMessage): void {
    this.#kept.set(message.key, message);
  }

  remove(key: string): void {
    this.#kept.delete(key);
  }
}

/** How a message stands in the storage, as JSON. */
interface Record {
  readonly n: number;
  readonly room: string;
  readonly payload: string;
  readonly time: number;
  readonly id: string | null;
}

/**
 * Keeps messages in `localStorage` (or `sessionStorage`), so that they survive a reload. One for each
 * client secret: with another, ids would mean something else. Give it the same `name` each time.
 *
 * It belongs to whoever loaded it last: when a second tab has loaded the messages, `put` of the first
 * throws and it is `taken`, so that no two messages are given one id, and none is sent by both.
 */
export class WebStorageOutbox implements OutboxStore {
  readonly #storage: Storage;
  readonly #prefix: string;
  /** Of one length, so that it can be replaced where there is no room for more. */
  readonly #owner = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2).padEnd(16)}`;
  #found = this.#owner;
  readonly #places = new Map<string, number>();
  #next = 0;

  /** Throws TypeError for what is no storage or no string. */
  constructor(storage: Storage, name: string) {
    checkObject(storage, "a storage", "getItem", "setItem", "removeItem", "key");
    checkText(name, "a name");
    this.#storage = storage;
    this.#prefix = `${name}/`;
  }

  get #ownerKey(): string {
    return `${this.#prefix}owner`;
  }

  /** Return what is kept, and be its owner from now on. What cannot be read is passed over, and stays. */
  load(): StoredMessage[] {
    const storage = this.#storage;
    try {
      storage.setItem(this.#ownerKey, this.#owner);
    } catch {
      // No room: what is kept has to be sent all the more. `put` will tell.
    }
    this.#found = storage.getItem(this.#ownerKey) ?? this.#owner;
    const found: [number, StoredMessage][] = [];
    for (let at = 0; at < storage.length; at += 1) {
      const name = storage.key(at);
      if (name === null || !name.startsWith(`${this.#prefix}message/`)) {
        continue;
      }
      const key = name.slice(`${this.#prefix}message/`.length);
      const message = read(key, storage.getItem(name));
      if (message !== null) {
        found.push(message);
        this.#places.set(key, message[0]);
        this.#next = Math.max(this.#next, message[0] + 1);
      }
    }
    return found.sort(([a], [b]) => a - b).map(([, message]) => message);
  }

  put(message: StoredMessage): void {
    if (this.taken()) {
      throw new Error("another tab or program has taken over the messages that are not sent yet");
    }
    const place = this.#places.get(message.key) ?? this.#next;
    const record: Record = {
      n: place,
      room: message.room,
      payload: toBase64(message.payload),
      time: message.time,
      id: message.id === null ? null : String(message.id),
    };
    this.#storage.setItem(`${this.#prefix}message/${message.key}`, JSON.stringify(record));
    this.#places.set(message.key, place);
    this.#next = Math.max(this.#next, place + 1);
  }

  taken(): boolean {
    return (this.#storage.getItem(this.#ownerKey) ?? this.#found) !== this.#found;
  }

  remove(key: string): void {
    this.#places.delete(key);
    this.#storage.removeItem(`${this.#prefix}message/${key}`);
  }
}

/** Return a message and its place, or null if this is none. */
function read(key: string, text: string | null): [number, StoredMessage] | null {
  try {
    const { n, room, payload, time, id } = JSON.parse(text ?? "") as Record;
    if (!Number.isSafeInteger(n) || !Number.isSafeInteger(time)) {
      return null;
    }
    checkTarget(room);
    return [
      n,
      { key, room, payload: fromBase64(payload), time, id: id === null ? null : BigInt(id) },
    ];
  } catch {
    return null;
  }
}

/** How many bytes are made text at a time: a call takes so many arguments without harm. */
const CHUNK = 8192;

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(text);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
