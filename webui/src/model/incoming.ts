/**
 * What comes in: rooms one is in, and direct messages; and who is told of what is new.
 *
 * Law of this file: the client brings everything once, in order, and here it only gets its place; each room is joined
 * behind what was read of it already.
 */

import type { DirectEvent, RoomEvent, Subscription } from "tcpmsg";
import type { Conversation } from "./conversation";
import type { Conversations } from "./conversations";
import { type Entry, type Said, said } from "./entry";
import type { History } from "./history";
import { notify } from "./notices";
import type { Parts, Wire } from "./parts";

/** Messages that are read when a room is joined: more than a screen holds. */
export const FIRST_PAGE = 100;

export class Incoming {
  readonly #parts: Parts;
  readonly #conversations: Conversations;
  readonly #history: History;
  readonly #enter: (place: string) => void;
  readonly #subscriptions = new Map<string, Subscription>();
  #wire: Wire | null = null;

  /** `enter` is called when somebody wants to go where a notification came from. */
  constructor(parts: Parts, conversations: Conversations, history: History, enter: (place: string) => void) {
    this.#parts = parts;
    this.#conversations = conversations;
    this.#history = history;
    this.#enter = enter;
  }

  /** Read by this client from now on, in all rooms of the list; the function returned ends it. */
  attach(wire: Wire): () => void {
    this.#wire = wire;
    const directs = wire.directs({ onEvents: (events) => this.#directEvents(events) });
    for (const conversation of this.#conversations.all) this.join(conversation);
    return () => {
      directs.close();
      for (const subscription of this.#subscriptions.values()) subscription.close();
      this.#subscriptions.clear();
      this.#wire = null;
    };
  }

  /** Be in a room, if there is a client and one is not in it yet. */
  join(conversation: Conversation): void {
    if (conversation.direct || this.#subscriptions.has(conversation.name) || this.#wire === null) return;
    const newest = conversation.newest;
    const where = newest < 0 ? { last: FIRST_PAGE } : { from: newest + 1 };
    this.#subscriptions.set(
      conversation.name,
      this.#wire.subscribe(conversation.name, {
        ...where,
        presence: true,
        onEvents: (events) => this.#roomEvents(conversation, events),
      }),
    );
  }

  /** Be in it no longer. */
  part(conversation: Conversation): void {
    this.#subscriptions.get(conversation.name)?.close();
    this.#subscriptions.delete(conversation.name);
  }

  #roomEvents(conversation: Conversation, events: readonly RoomEvent[]): void {
    let entries: Entry[] = [];
    const fresh: Said[] = [];
    const flush = (): void => {
      if (entries.length) conversation.append(entries);
      entries = [];
    };
    for (const event of events) {
      switch (event.kind) {
        case "message": {
          const entry = said(event.message, this.#wire?.name);
          entries.push(entry);
          if (conversation.live && entry.seq > conversation.readTo) fresh.push(entry);
          break;
        }
        case "missed":
          entries.push({ kind: "missed", first: event.first, last: event.last });
          break;
        case "subbed":
          flush();
          if (conversation.readTo < 0) conversation.readTo = event.head;
          if (event.head === 0) conversation.complete = true;
          conversation.set({ error: null, ended: null });
          break;
        case "live":
          flush();
          conversation.set({ live: true });
          if (conversation === this.#conversations.open) this.#history.settle(conversation);
          break;
        case "replaced":
          flush();
          conversation.replace();
          break;
        case "here":
          conversation.set({ people: new Set(event.names), peopleCut: event.cut });
          break;
        case "join":
        case "part": {
          const people = new Set(conversation.people);
          if (event.kind === "join") people.add(event.name);
          else people.delete(event.name);
          conversation.set({ people });
          break;
        }
        case "ended":
          flush();
          this.#subscriptions.delete(conversation.name);
          if (event.error !== null) conversation.set({ ended: event.error, people: null });
          break;
      }
    }
    flush();
    this.#fresh(conversation, fresh);
    this.#conversations.remember();
  }

  #directEvents(events: readonly DirectEvent[]): void {
    for (const event of events) {
      if (event.kind !== "message") continue;
      const { sender, time } = event.message;
      if (sender === this.#wire?.name) continue; // to oneself: it stands there already
      const peer = `@${sender}`;
      const conversation = this.#conversations.add(peer);
      const entry = { ...said(event.message, this.#wire?.name), seq: conversation.nextLocal() };
      conversation.append([entry]);
      this.#parts.directs.keep(peer, { sender, time, content: entry.content });
      this.#fresh(conversation, [entry]);
    }
    this.#conversations.remember();
    this.#conversations.changed();
  }

  /** Tell of messages that came just now. */
  #fresh(conversation: Conversation, messages: readonly Said[]): void {
    if (messages.length === 0) return;
    this.#conversations.changed(); // the list of rooms shows what is unread
    const { notices, preferences } = this.#parts;
    if (conversation === this.#conversations.open) notices.heard(messages, conversation);
    else if (conversation.direct) {
      notices.speak(`New direct message from ${conversation.name.slice(1)}`);
    }
    for (const message of messages.slice(-3)) {
      notify(message, conversation, preferences, () => this.#enter(conversation.name));
    }
  }
}
