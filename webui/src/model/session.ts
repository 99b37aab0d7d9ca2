/**
 * A person at a server: the client, the conversations, and what goes between them.
 *
 * Law of this file: promises are the client's (what is sent is kept until it is stored, what is read comes
 * once, in order); this only puts everything in its place. No React, no DOM.
 */

import type {
  ClientError,
  DirectEvent,
  Listing,
  Refused,
  RoomEvent,
  RoomInfo,
  State,
  Subscription,
} from "tcpmsg";
import { afterOf, type Conversation, keyAfter } from "./conversation";
import { Conversations } from "./conversations";
import { type Content, contentOf, type Entry, type Said, said } from "./entry";
import { isDirect, isPlace, isRoom } from "./grammar";
import { type Notices, notify } from "./notices";
import { Observable } from "./observable";
import type { Parts, Wire } from "./parts";
import type { Profile } from "./profile";

/** The room of those who speak plain frames, where a server does not say which that is. */
export const LOBBY = "lobby";

/** Messages that are read when a room is joined: more than a screen holds. */
export const FIRST_PAGE = 100;

/** Messages that are read at once as one scrolls up. Many, because the server sends on behind a page until it hears that
 * it was read: at a fast server that is more than the page. */
export const PAGE = 1000;

/** Pages in which the first unread message is looked for when a room is opened. Who has more to read begins behind
 * that, and finds the rest by scrolling up. */
export const PAGES_SOUGHT = 4;

/** How long, in milliseconds, that may keep somebody from what is there already. */
export const SOUGHT_TIME = 1500;

/** How long, in milliseconds, a stored message may be shown below the others until it is seen in its place. One that
 * went under another name, before a reload, is not recognised there. */
export const ECHO_TIME = 10_000;

/** Bytes of what waits to be stored with which the server is asked whether it is there: its answer would come behind more
 * than that, and a slow line would be taken for a dead one. */
export const SOON_SENT = 64 * 1024;

export class Session extends Observable {
  readonly profile: Profile;
  readonly notices: Notices;
  readonly conversations: Conversations;
  readonly #parts: Parts;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #settling = new Set<Conversation>();
  #wire: Wire | null = null;
  #stops: (() => void)[] = [];
  #told: string | null = null;
  #most = Infinity;
  /** What the outbox could not keep, of messages that are stored by now. */
  #settled: Error | null = null;
  /** Whether it was ever welcome. */
  #welcome = false;
  /** Whether one goes to the room of plain clients as soon as the server says which that is. */
  #homeless = false;

  constructor(parts: Parts) {
    super();
    this.#parts = parts;
    this.profile = parts.profile;
    this.notices = parts.notices;
    this.profile.onKeeps = parts.directs.onKeeps = () => this.changed();
    this.conversations = new Conversations(parts, () => this.changed());
  }

  // -- what there is to see --------------------------------------------------------------------

  /** Where the client stands; null before somebody has a name. */
  get state(): State | null {
    return this.#wire?.state ?? null;
  }
  /** What one is called, or wants to be. */
  get name(): string {
    return this.#wire?.name ?? this.profile.name ?? "";
  }
  /** The bytes of the longest message that the server takes, by its last word. */
  get maxPayload(): number {
    return this.#most;
  }
  /** Whether there was a connection since the page was opened. */
  get wasWelcome(): boolean {
    return this.#welcome;
  }
  get refusal(): ClientError | null {
    return this.#wire?.refusal ?? null;
  }
  /** What would not survive a reload, in the words of people; empty if all would. */
  get unkept(): readonly string[] {
    const { profile, directs } = this.#parts;
    const failed = this.#wire?.storeError ?? null;
    const unsent = this.pending > 0 && (profile.storeless || (failed !== null && failed !== this.#settled));
    return [
      ...(unsent ? ["messages that are not sent yet"] : []),
      ...(profile.keeps ? [] : ["drafts", "what you have read"]),
      ...(directs.keeps ? [] : ["direct messages"]),
    ];
  }
  /** How many messages are not known to be stored. */
  get pending(): number {
    return this.#wire?.outbox.length ?? 0;
  }

  // -- what one does ---------------------------------------------------------------------------

  /** Be called this; connects, or connects again. */
  start(name: string): void {
    this.#leaveWire();
    this.profile.name = name;
    this.profile.save();
    this.#told = null;
    const wire = this.#parts.makeWire(name, this.profile.secret);
    this.#wire = wire;
    this.#stops = [
      wire.on("state", () => this.#stateChanged()),
      wire.on("outbox", () => this.#outboxChanged()),
      wire.on("stored", ({ key, room, seq }) => this.#stored(key, room, seq)),
      wire.on("refused", ({ key, room, payload, error }) =>
        this.#refused(key, room, contentOf(payload), error),
      ),
    ];
    const directs = wire.directs({ onEvents: (events) => this.#directEvents(events) });
    this.#stops.push(() => directs.close());
    for (const conversation of this.conversations.all) this.#subscribe(conversation);
    this.#outboxChanged();
    for (const failure of this.profile.failures) {
      this.conversations.add(failure.room).own(
        { key: failure.key, content: failure.text, time: failure.time, state: "failed", reason: failure.reason },
        afterOf(failure.key),
      );
    }
    void wire.connect().catch(() => {
      // `state` says why
    });
    this.changed();
  }

  /** Try to connect at once. */
  nudge(): void {
    this.#wire?.nudge();
  }

  /** Go into a room, or to a person; true if that is one. */
  enter(place: string): boolean {
    if (!isPlace(place)) return false;
    const conversation = this.conversations.add(place);
    if (this.#wire !== null) this.#subscribe(conversation);
    this.conversations.show(conversation);
    if (conversation.live) this.#settle(conversation);
    this.changedNow(); // what is typed next is for this conversation
    return true;
  }

  /** Go where one was; who was nowhere, to the room where plain clients are. */
  enterFirst(): void {
    const place = this.profile.open ?? this.conversations.rooms[0]?.name ?? null;
    if (place === null || !this.enter(place)) this.#homeless = true;
  }

  /** Whether it is not known yet where one is to go. */
  get homeless(): boolean {
    return this.#homeless;
  }

  /** Leave a room, or close a conversation. */
  leave(place: string): void {
    const conversation = this.conversations.find(place);
    if (conversation === undefined) return;
    const wasOpen = conversation === this.conversations.open;
    this.#subscriptions.get(place)?.close();
    this.#subscriptions.delete(place);
    this.conversations.remove(conversation);
    const next = this.conversations.rooms[0] ?? this.conversations.directs[0];
    if (wasOpen && next !== undefined) this.enter(next.name);
  }

  /** Say something. */
  say(place: string, words: string | Uint8Array): void {
    const wire = this.#wire;
    const conversation = this.conversations.find(place);
    if (wire === null || conversation === undefined) return;
    const key = keyAfter(conversation.newest, this.#parts.random());
    conversation.clearDivider();
    conversation.own(
      { key, content: words, time: Date.now(), state: "waiting", reason: null },
      conversation.newest,
    );
    wire.send(place, words, { key }).catch(() => {
      // the event `refused` tells the same, also for what an earlier page has sent
    });
    this.#outboxChanged();
    const size = wire.outbox.reduce((sum, each) => sum + each.payload.length, 0);
    if (this.state?.phase === "online" && size <= SOON_SENT) wire.nudge(); // is the server there at all?
  }

  /** Send again what was refused. It was not stored, for certain, so it is a new message to the server. */
  retry(place: string, key: string): void {
    const own = this.conversations.find(place)?.findOwn(key);
    if (own?.state !== "failed") return;
    this.#drop(place, key);
    this.say(place, own.content);
  }

  /** Take back what was refused, or what was not sent yet; returns its text, to be written anew. */
  takeBack(place: string, key: string): Content | null {
    const own = this.conversations.find(place)?.findOwn(key);
    if (own === undefined) return null;
    if (own.state !== "failed" && this.#wire?.discard(key) !== true) return null;
    this.#drop(place, key);
    return own.content;
  }

  /** Load what is older than what is here. */
  async older(conversation: Conversation): Promise<void> {
    const before = conversation.oldest;
    if (conversation.loading || conversation.complete || before === null || this.#wire === null) return;
    conversation.set({ loading: true, error: null });
    try {
      const page = await this.#wire.history(conversation.name, { before, count: PAGE });
      if (conversation.oldest !== before) {
        conversation.set({ loading: false });
        return;
      }
      const complete = !page.more || (page.messages[0]?.seq ?? 1) <= 1;
      conversation.prepend(page.messages.map((message) => said(message, this.name)), complete);
    } catch (error) {
      conversation.set({ loading: false, error: error as ClientError });
    }
  }

  /** Join a room again that one was thrown out of. */
  rejoin(conversation: Conversation): void {
    conversation.set({ ended: null, error: null });
    this.#subscribe(conversation);
  }

  /** Load back to where unread begins, so that one reads on there and does not begin at the end. */
  #settle(conversation: Conversation): void {
    if (conversation.settled || this.#settling.has(conversation)) return;
    if (!conversation.behind) {
      conversation.set({ settled: true });
      return;
    }
    const seek = async (): Promise<void> => {
      for (let page = 0; page < PAGES_SOUGHT && conversation.behind && conversation.error === null; page += 1) {
        await this.older(conversation);
      }
    };
    const late = new Promise<void>((resolve) => setTimeout(resolve, SOUGHT_TIME));
    this.#settling.add(conversation);
    void Promise.race([seek(), late]).then(() => {
      this.#settling.delete(conversation);
      conversation.set({ settled: true });
    });
  }

  /** Which rooms the server has. */
  async listRooms(): Promise<Listing<RoomInfo>> {
    return this.#wire === null ? { items: [], cut: 0 } : this.#wire.rooms();
  }

  // -- what comes ------------------------------------------------------------------------------

  #stateChanged(): void {
    const state = this.state;
    this.profile.ours = !(state?.phase === "ended" && state.reason?.code === "superseded");
    if (state?.phase === "online") {
      this.#welcome = true;
      this.#most = state.server.max_payload;
      if (this.#homeless) {
        this.#homeless = false;
        const { room } = state.server;
        if (this.conversations.open === null) this.enter(typeof room === "string" && isRoom(room) ? room : LOBBY);
      }
      const wanted = this.profile.name;
      if (wanted !== null && state.name !== wanted && this.#told !== state.name) {
        this.#told = state.name;
        this.notices.show(`${wanted} is taken, so you are ${state.name} here.`);
      }
    } else {
      for (const conversation of this.conversations.all) {
        if (conversation.people !== null) conversation.set({ people: null });
      }
    }
    this.#outboxChanged();
    this.changed();
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
          const entry = said(event.message, this.name);
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
          if (conversation === this.conversations.open) this.#settle(conversation);
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
    this.conversations.remember();
  }

  #directEvents(events: readonly DirectEvent[]): void {
    for (const event of events) {
      if (event.kind !== "message") continue;
      const { sender, time } = event.message;
      if (sender === this.name) continue; // to oneself: it stands there already
      const peer = `@${sender}`;
      const conversation = this.conversations.add(peer);
      const entry = { ...said(event.message, this.name), seq: conversation.nextLocal() };
      conversation.append([entry]);
      this.#parts.directs.keep(peer, { sender, time, content: entry.content });
      this.#fresh(conversation, [entry]);
    }
    this.conversations.remember();
    this.changed();
  }

  /** Tell of messages that came just now. */
  #fresh(conversation: Conversation, messages: readonly Said[]): void {
    if (messages.length === 0) return;
    this.changed(); // the list of rooms shows what is unread
    if (conversation === this.conversations.open) this.notices.heard(messages, conversation);
    else if (conversation.direct) {
      this.notices.speak(`New direct message from ${conversation.name.slice(1)}`);
    }
    for (const message of messages.slice(-3)) {
      notify(message, conversation, this.#parts.preferences, () => this.enter(conversation.name));
    }
  }

  // -- what goes -------------------------------------------------------------------------------

  #outboxChanged(): void {
    for (const { key, room, payload, time, sent } of this.#wire?.outbox ?? []) {
      const conversation = isDirect(room) ? this.conversations.add(room) : this.conversations.find(room);
      if (conversation === undefined) continue;
      const state = sent && this.state?.phase === "online" ? "sent" : "waiting";
      const own = conversation.findOwn(key);
      if (own?.state === state) continue;
      conversation.own(
        { key, content: own?.content ?? contentOf(payload), time, state, reason: null },
        own?.after ?? afterOf(key),
      );
    }
    if (this.pending === 0) this.#settled = this.#wire?.storeError ?? null;
    this.changed();
  }

  #stored(key: string, room: string, seq: number | null): void {
    const conversation = this.conversations.find(room);
    const own = conversation?.findOwn(key);
    if (conversation === undefined || own === undefined) return;
    if (!conversation.direct) {
      conversation.storedOwn(key, seq);
      // in a room that one is in no longer nothing comes; there it stays until one is back
      setTimeout(() => conversation.ended === null && conversation.dropOwn(key), ECHO_TIME);
      return;
    }
    conversation.dropOwn(key);
    const { content, time } = own;
    conversation.appendLocal({ sender: this.name, time, content, mine: true, calls: false, key });
    this.#parts.directs.keep(room, { sender: this.name, time, content });
  }

  #refused(key: string, room: string, content: Content, error: ClientError): void {
    const conversation = isDirect(room) ? this.conversations.add(room) : this.conversations.find(room);
    const reason = "reason" in error ? (error as Refused).reason : error.message;
    if (conversation === undefined) {
      this.notices.show(`A message to ${room} was refused: ${reason}`, "bad");
      return;
    }
    const own = conversation.findOwn(key);
    const time = own?.time ?? Date.now();
    conversation.own({ key, content, time, state: "failed", reason }, own?.after ?? afterOf(key));
    if (typeof content === "string") {
      this.profile.keepFailure({ key, room, time, text: content, reason });
    }
    this.notices.speak(`Not sent: ${reason}`);
  }

  #drop(place: string, key: string): void {
    this.conversations.find(place)?.dropOwn(key);
    this.profile.dropFailure(key);
  }

  // -- the list of conversations ---------------------------------------------------------------

  #subscribe(conversation: Conversation): void {
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

  #leaveWire(): void {
    const wire = this.#wire;
    this.#wire = null;
    for (const stop of this.#stops) stop();
    this.#stops = [];
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#subscriptions.clear();
    wire?.abort();
  }
}
