/**
 * Who this tab is: one of the places that a browser has for people at this server.
 *
 * A place holds a client's secret, its outbox, a name and what was read. Two tabs must not use one
 * (the server would let the newer one take over), and a place whose tab was closed must be found again,
 * for its outbox may hold messages. So the first tab takes the first place, a second tab the second, and
 * the next tab after both are closed the first one again. A lock says which are taken: the browser's, or
 * where it offers none (to pages that are neither HTTPS nor of this machine) one that the tabs ask each other for.
 *
 * Law of this file: a place is given once at a time.
 */

import { tabLocks } from "./claims";
import { read, usable, write } from "./storage";

export interface Identity {
  /** What the keys of everything that this place keeps begin with. */
  readonly prefix: string;
  readonly storage: Storage;
  /** Whether it lasts beyond this tab. */
  readonly lasting: boolean;
  /** Whether another tab of this browser has an earlier place. */
  readonly second: boolean;
}

/** How many tabs of a browser may be open at once. */
export const PLACES = 32;

/** How long, in milliseconds, a reloaded tab waits for the place it had: the page before it may not be quite gone. */
const PATIENCE = 1500;

const REMEMBERED = "tcpmsg.place";

/** What is needed of the browser's `navigator.locks`. */
export interface Locks {
  request(
    name: string,
    options: { ifAvailable?: boolean; signal?: AbortSignal },
    held: (lock: unknown) => Promise<void> | undefined,
  ): Promise<unknown>;
}

/** Take a place, for as long as this page lives. */
export async function takeIdentity(
  locks: Locks | null = (navigator as { locks?: Locks }).locks ?? tabLocks(),
  local: Storage = usable("localStorage"),
  session: Storage = usable("sessionStorage"),
): Promise<Identity> {
  if (locks !== null) {
    const before = read(session, REMEMBERED);
    const first = typeof before === "number" && before >= 0 && before < PLACES ? before : null;
    if (first !== null && (await hold(locks, first, PATIENCE))) return place(first, local);
    for (let number = 0; number < PLACES; number += 1) {
      if (number !== first && (await hold(locks, number, 0))) {
        write(session, REMEMBERED, number);
        return place(number, local);
      }
    }
  }
  return { prefix: "tcpmsg.tab.", storage: session, lasting: false, second: false };
}

function place(number: number, storage: Storage): Identity {
  return { prefix: `tcpmsg.${number}.`, storage, lasting: true, second: number > 0 };
}

/** Hold a place's lock until the page goes; false if another tab has it. */
async function hold(locks: Locks, number: number, patience: number): Promise<boolean> {
  return new Promise((resolve) => {
    const options = patience > 0 ? { signal: timeout(patience) } : { ifAvailable: true };
    locks
      .request(`tcpmsg.${number}`, options, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise<void>(() => {}); // held until the page goes
      })
      .catch(() => resolve(false));
  });
}

function timeout(milliseconds: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), milliseconds);
  return controller.signal;
}
