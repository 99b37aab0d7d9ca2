/**
 * The latest few of many things, by key.
 *
 * Law of this file: never more than its bound; the oldest gives way.
 */

/** A map of bounded size. */
export class Recent<K, V> {
  readonly #kept = new Map<K, V>();

  /** Take how many are kept. */
  constructor(private readonly most: number) {}

  set(key: K, value: V): void {
    this.#kept.set(key, value);
    if (this.#kept.size > this.most) {
      this.#kept.delete(this.#kept.keys().next().value as K);
    }
  }

  /** Take one out; null if it is not there (any more). */
  take(key: K): V | null {
    const value = this.#kept.get(key) ?? null;
    this.#kept.delete(key);
    return value;
  }
}
