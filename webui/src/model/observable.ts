/**
 * Things that change, and who wants to know.
 *
 * Law of this file: however often something changes by itself, its listeners are called at most once a
 * frame, so that a flood of messages costs a frame's work and typing never waits for it.
 */

/** How long, in milliseconds, a change may wait for a frame: hidden pages are given none. */
const LONGEST_WAIT = 120;

const waiting = new Set<Observable>();
let scheduled = false;

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  let done = false;
  const once = (): void => {
    if (done) return;
    done = true;
    tell();
  };
  requestAnimationFrame(once);
  setTimeout(once, LONGEST_WAIT);
}

/** Tell of all changes now, as tests do that do not wait for frames. */
export function tell(): void {
  scheduled = false;
  const changed = [...waiting];
  waiting.clear();
  for (const each of changed) each.told();
}

/** Something whose `version` is another number after each change. */
export class Observable {
  #listeners = new Set<() => void>();
  #version = 0;

  /** Listen; the function returned stops it. Bound, as `useSyncExternalStore` wants it. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Bound, too. */
  readonly version = (): number => this.#version;

  /** Something is different now. */
  protected changed(): void {
    this.#version += 1;
    waiting.add(this);
    schedule();
  }

  /** Something is different, and is to be seen before the next key: somebody has just asked for it. */
  protected changedNow(): void {
    this.#version += 1;
    this.told();
  }

  /** Call the listeners. */
  told(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
