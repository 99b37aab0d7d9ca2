/**
 * What a place in the browser keeps of a person: name, rooms, what was read, drafts, and what was refused.
 *
 * Law of this file: whatever the browser gives back may be wrong, old or another program's; what does not
 * fit is as if it were not there. Writing waits a moment, so that typing and floods cost one write.
 */

import { drawSecret } from "tcpmsg";
import type { Identity } from "./identity";
import { isName, isPlace } from "./grammar";
import { isRecord, NoStorage, read, write } from "./storage";

/** Characters of a draft that a reload leaves: a long log that was pasted, and still little of what a browser keeps. */
export const KEPT_DRAFT = 100_000;

/** How long, in milliseconds, a change may wait to be written. */
const DELAY = 400;

/** A message that was refused, and that its writer may want to send again. */
export interface KeptFailure {
  readonly key: string;
  readonly room: string;
  readonly time: number;
  readonly text: string;
  readonly reason: string;
  /** Whether its receiver may have it all the same; browsers that kept it before this was known have no such field. */
  readonly uncertain?: boolean;
}

/** Refused messages that are kept. */
const KEPT_FAILURES = 50;

export class Profile {
  readonly secret: string;
  name: string | null;
  /** The rooms and people in the list, in its order, each with the number up to which all is read. */
  readonly places = new Map<string, number | null>();
  readonly drafts = new Map<string, string>();
  failures: KeptFailure[] = [];
  /** Which one was open last. */
  open: string | null = null;
  /** Whether the browser keeps what it is told. */
  keeps = true;
  /** Called when that has changed. */
  onKeeps: () => void = () => {};
  /** Whether what is kept is ours to write: not while another tab is this person. */
  ours = true;
  readonly #identity: Identity;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(identity: Identity, secret: () => string = drawSecret) {
    this.#identity = identity;
    const kept = read(identity.storage, `${identity.prefix}profile`);
    const record = isRecord(kept) ? kept : {};
    const known = record["secret"];
    this.secret = typeof known === "string" && /^[!-~]{16,64}$/.test(known) ? known : secret();
    const name = record["name"];
    this.name = typeof name === "string" && isName(name) ? name : null;
    for (const pair of list(record["places"])) {
      const [place, readTo] = list(pair);
      if (typeof place === "string" && isPlace(place)) {
        this.places.set(place, Number.isSafeInteger(readTo) ? (readTo as number) : null);
      }
    }
    for (const pair of list(record["drafts"])) {
      const [place, draft] = list(pair);
      if (typeof place === "string" && typeof draft === "string") this.drafts.set(place, draft);
    }
    this.failures = list(record["failures"]).filter(isFailure).slice(-KEPT_FAILURES);
    const open = record["open"];
    this.open = typeof open === "string" && this.places.has(open) ? open : null;
    if (known !== this.secret) this.save();
  }

  /** Whether the browser gives this page no storage at all. */
  get storeless(): boolean {
    return this.#identity.storage instanceof NoStorage;
  }

  /** Keep what stands in a composer. */
  keepDraft(place: string, text: string): void {
    if (text === "" ? this.drafts.delete(place) : text !== this.drafts.get(place)) {
      if (text !== "") this.drafts.set(place, text);
      this.later();
    }
  }

  keepFailure(failure: KeptFailure): void {
    this.failures = [...this.failures.filter((each) => each.key !== failure.key), failure].slice(-KEPT_FAILURES);
    this.later();
  }

  dropFailure(key: string): void {
    this.failures = this.failures.filter((each) => each.key !== key);
    this.later();
  }

  /** Write soon. */
  later(): void {
    this.#timer ??= setTimeout(() => this.save(), DELAY);
  }

  /** Write now. */
  save(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (!this.ours) return;
    const { storage, prefix } = this.#identity;
    const profile = {
      secret: this.secret,
      name: this.name,
      places: [...this.places],
      drafts: [...this.drafts].map(([place, text]) => [place, text.slice(0, KEPT_DRAFT)]),
      failures: this.failures,
      open: this.open,
    };
    const before = this.keeps;
    this.keeps = write(storage, `${prefix}profile`, profile) && !this.storeless;
    if (this.keeps !== before) this.onKeeps();
  }
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isFailure(value: unknown): value is KeptFailure {
  return (
    isRecord(value) &&
    typeof value["key"] === "string" &&
    typeof value["room"] === "string" &&
    isPlace(value["room"]) &&
    typeof value["time"] === "number" &&
    typeof value["text"] === "string" &&
    typeof value["reason"] === "string"
  );
}
