/**
 * Listeners of a client.
 *
 * Law of this file: what a listener throws is reported as any uncaught error is, and keeps neither
 * the other listeners nor the client from going on.
 */

/** Named events with listeners of their own types. */
export class Emitter<Events extends { [K in keyof Events]: (...args: never[]) => void }> {
  readonly #listeners = new Map<keyof Events, Set<(...args: never[]) => void>>();

  /** Listen; the function returned stops it. */
  on<K extends keyof Events>(event: K, listener: Events[K]): () => void {
    let listeners = this.#listeners.get(event);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(event, listeners);
    }
    const own = (...args: never[]) => listener(...args); // so that one may be added twice
    listeners.add(own);
    return () => listeners.delete(own);
  }

  emit<K extends keyof Events>(event: K, ...args: Parameters<Events[K]>): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(...(args as never[]));
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
