/**
 * What the browser keeps: JSON under keys, where it lets us keep anything.
 *
 * Law of this file: what is read back is checked by who reads it, and a browser that keeps
 * nothing (blocked, full, private) is a browser in which everything works until it is closed.
 */

/** Keeps texts as long as the page lives. */
export class PageStorage implements Storage {
  #items = new Map<string, string>();

  get length(): number {
    return this.#items.size;
  }
  clear(): void {
    this.#items.clear();
  }
  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }
  key(index: number): string | null {
    return [...this.#items.keys()][index] ?? null;
  }
  removeItem(key: string): void {
    this.#items.delete(key);
  }
  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }
}

/** In place of a storage that the browser does not give: it takes everything, and nothing is left after the page. */
export class NoStorage extends PageStorage {}

/** Return the browser's storage of this kind, or one that lives as long as the page. One that is full to the last
 * letter is the browser's still: what it holds has to be read, and sent. */
export function usable(kind: "localStorage" | "sessionStorage"): Storage {
  try {
    const storage = window[kind];
    const probe = "tcpmsg.probe";
    if (!write(storage, probe, probe) && storage.length === 0) return new NoStorage();
    storage.removeItem(probe);
    return storage;
  } catch {
    return new NoStorage();
  }
}

/** Return what is kept under a key, or null if there is nothing, or nothing that is JSON. */
export function read(storage: Storage, key: string): unknown {
  try {
    return JSON.parse(storage.getItem(key) ?? "null") as unknown;
  } catch {
    return null;
  }
}

/** Keep something; false if the browser has no room for it. */
export function write(storage: Storage, key: string, value: unknown): boolean {
  try {
    storage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Whether a value of JSON is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
