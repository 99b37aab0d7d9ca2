/**
 * The conversations that somebody has, in the order of the list, and which one is open.
 *
 * Law of this file: nothing of the network. What it changes, the profile keeps: which conversations there are, which one
 * is open, and how far each is read.
 */

import { Conversation } from "./conversation";
import type { Directs, Kept } from "./directs";
import { afterOf, type Said } from "./entry";
import { isDirect } from "./grammar";
import type { Parts } from "./parts";
import type { Profile } from "./profile";

export class Conversations {
  /** To be called when something is different that the list shows: which conversations there are, or what is unread. */
  readonly changed: () => void;
  readonly #profile: Profile;
  readonly #directs: Directs;
  readonly #all = new Map<string, Conversation>();
  #open: Conversation | null = null;

  /** Those that the profile knows, none of them open; `changed` is called whenever the list is another one. */
  constructor({ profile, directs }: Pick<Parts, "profile" | "directs">, changed: () => void) {
    this.#profile = profile;
    this.#directs = directs;
    this.changed = changed;
    directs.onLate = (messages) => {
      for (const conversation of this.directs) {
        conversation.prependLocal(messages.filter(({ peer }) => peer === conversation.name).map(keptEntry));
      }
    };
    for (const [place, readTo] of [...profile.places]) this.add(place, readTo);
  }

  get all(): Iterable<Conversation> {
    return this.#all.values();
  }
  get rooms(): Conversation[] {
    return [...this.#all.values()].filter((each) => !each.direct);
  }
  get directs(): Conversation[] {
    return [...this.#all.values()].filter((each) => each.direct);
  }
  get open(): Conversation | null {
    return this.#open;
  }
  find(place: string): Conversation | undefined {
    return this.#all.get(place);
  }

  /** Return the conversation of a place, new if there is none yet: with what the browser keeps of it, all of it read. */
  add(place: string, readTo: number | null = null): Conversation {
    const known = this.#all.get(place);
    if (known !== undefined) return known;
    // numbers of direct messages are those of this page
    const conversation = new Conversation(place, isDirect(place) ? null : readTo);
    this.#all.set(place, conversation);
    for (const message of this.#directs.of(place)) conversation.appendLocal(keptEntry(message));
    conversation.markRead();
    conversation.clearDivider();
    for (const { key, room, text, time, reason, uncertain } of this.#profile.failures) {
      if (room === place) conversation.own({ key, content: text, time, state: "failed", reason, uncertain: uncertain === true }, afterOf(key));
    }
    conversation.subscribe(() => this.remember());
    this.changed();
    return conversation;
  }

  /** This one is open from now on. The line before what was new goes where all is read. */
  show(conversation: Conversation): void {
    if (this.#open !== conversation) {
      this.#open?.attend(false);
      if (this.#open?.unread === 0) this.#open.clearDivider();
      this.#open = conversation;
    }
    this.remember();
  }

  /** Remove a conversation from the list, and close it. Its draft and its failed messages stay in the profile, and are shown
   * when the conversation is added again. */
  remove(conversation: Conversation): void {
    this.#all.delete(conversation.name);
    if (this.#open === conversation) {
      conversation.attend(false);
      this.#open = null;
    }
    this.remember();
    this.changed();
  }

  /** Have the profile keep which there are, and what was read. */
  remember(): void {
    const { places } = this.#profile;
    places.clear();
    for (const { name, readTo } of this.#all.values()) {
      places.set(name, readTo < 0 ? null : readTo);
    }
    this.#profile.open = this.#open?.name ?? null;
    this.#profile.later();
  }
}

/** Return a direct message that was kept as what is shown. */
function keptEntry({ peer, sender, time, content }: Kept): Omit<Said, "seq" | "kind"> {
  return { sender, time, content, mine: `@${sender}` !== peer, calls: false };
}
