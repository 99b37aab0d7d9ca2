/**
 * Locks between the tabs of a browser that offers none: who wants one asks the others whether they have it.
 *
 * The browser's own locks are for secure pages only. A tab that is asked answers at once, even in the
 * background; one that the browser has frozen does not, and loses what it held. That must do no harm: the server keeps
 * one connection for each client, and an outbox belongs to whoever loaded it last.
 *
 * Law of this file: of two that ask at one time the one that began earlier gets it; nothing is written anywhere.
 */

import type { Locks } from "./identity";

/** How long, in milliseconds, an answer is waited for: tabs of one browser are near. */
export const ANSWER_TIME = 250;

/** What is said between tabs. */
interface Word {
  readonly kind: "ask" | "taken";
  readonly name: string;
  /** When, and by whom, it was asked for; of an answer: the same of the question. */
  readonly began: number;
  readonly id: string;
}

/** What is needed of the browser's `BroadcastChannel`. */
export type Channel = Pick<BroadcastChannel, "postMessage" | "onmessage">;

/** Return locks that the tabs of a browser ask each other for; null if it lets tabs not speak. */
export function tabLocks(): Locks | null {
  if (typeof BroadcastChannel === "undefined") return null;
  const id = [...crypto.getRandomValues(new Uint32Array(2))].join("-");
  return new Claims(new BroadcastChannel("tcpmsg.locks"), id);
}

interface Claim {
  readonly began: number;
  held: boolean;
  lost: boolean;
}

export class Claims implements Locks {
  readonly #channel: Channel;
  readonly #id: string;
  readonly #now: () => number;
  readonly #claims = new Map<string, Claim>();

  constructor(channel: Channel, id: string, now: () => number = Date.now) {
    this.#channel = channel;
    this.#id = id;
    this.#now = now;
    channel.onmessage = ({ data }) => this.#hear(data as Word);
  }

  /** As the browser's `navigator.locks.request`: with `ifAvailable` once, else until the signal. */
  async request(
    name: string,
    { signal }: { ifAvailable?: boolean; signal?: AbortSignal },
    held: (lock: unknown) => Promise<void> | undefined,
  ): Promise<unknown> {
    const began = this.#now();
    do {
      if (await this.#claim(name, began)) return held(name);
    } while (signal !== undefined && !signal.aborted);
    if (signal !== undefined) throw new Error("not in time");
    return held(null);
  }

  async #claim(name: string, began: number): Promise<boolean> {
    const claim: Claim = { began, held: false, lost: false };
    this.#claims.set(name, claim);
    this.#say({ kind: "ask", name, began, id: this.#id });
    await new Promise((resolve) => setTimeout(resolve, ANSWER_TIME));
    if (claim.lost) this.#claims.delete(name);
    else claim.held = true;
    return claim.held;
  }

  #hear(word: Word): void {
    const claim = this.#claims.get(word.name);
    if (claim === undefined) return;
    if (word.kind === "taken") {
      if (word.id === this.#id) claim.lost = !claim.held;
      return;
    }
    const first = claim.began < word.began || (claim.began === word.began && this.#id < word.id);
    if (claim.held || first) this.#say({ ...word, kind: "taken" });
    else claim.lost = true;
  }

  #say(word: Word): void {
    this.#channel.postMessage(word);
  }
}
