/**
 * A person at a server: who one is, how it stands with the client, and where one goes.
 *
 * Law of this file: promises are the client's (what is sent is kept until it is stored, what is read comes
 * once, in order); this only joins its parts to the client that is in use. No React, no DOM.
 */

import type { ClientError, Listing, RoomInfo, State } from "tcpmsg";
import type { Conversation } from "./conversation";
import { Conversations } from "./conversations";
import { isPlace, isRoom } from "./grammar";
import { History } from "./history";
import { Incoming } from "./incoming";
import type { Notices } from "./notices";
import { Observable } from "./observable";
import { Outgoing } from "./outgoing";
import type { Parts, Wire } from "./parts";
import type { Profile } from "./profile";

/** The room of those who speak plain frames, where a server does not say which that is. */
export const LOBBY = "lobby";

export class Session extends Observable {
  readonly profile: Profile;
  readonly notices: Notices;
  readonly conversations: Conversations;
  readonly history = new History();
  readonly outgoing: Outgoing;
  readonly #incoming: Incoming;
  readonly #parts: Parts;
  #wire: Wire | null = null;
  #stops: (() => void)[] = [];
  #told: string | null = null;
  #most = Infinity;
  /** Whether it was ever welcome. */
  #welcome = false;
  /** Whether one goes to the room of plain clients as soon as the server says which that is. */
  #homeless = false;

  constructor(parts: Parts) {
    super();
    const changed = (): void => this.changed();
    this.#parts = parts;
    this.profile = parts.profile;
    this.notices = parts.notices;
    this.profile.onKeeps = parts.directs.onKeeps = changed;
    this.conversations = new Conversations(parts, changed);
    this.outgoing = new Outgoing(parts, this.conversations, changed);
    this.#incoming = new Incoming(parts, this.conversations, this.history, (place) => this.enter(place));
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
    return [
      ...(this.outgoing.keeps ? [] : ["messages that are not sent yet"]),
      ...(this.profile.keeps ? [] : ["drafts", "what you have read"]),
      ...(this.#parts.directs.keeps ? [] : ["direct messages"]),
    ];
  }
  /** Whether it is not known yet where one is to go. */
  get homeless(): boolean {
    return this.#homeless;
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
      this.history.attach(wire),
      this.#incoming.attach(wire),
      this.outgoing.attach(wire),
    ];
    void wire.connect().catch(() => {
      // `state` says why
    });
    this.changed();
  }

  /** Try to connect at once. */
  nudge(): void {
    this.outgoing.nudge();
  }

  /** Go into a room, or to a person; true if that is one. */
  enter(place: string): boolean {
    if (!isPlace(place)) return false;
    const conversation = this.conversations.add(place);
    this.outgoing.showPending();
    this.#incoming.join(conversation);
    this.conversations.show(conversation);
    if (conversation.live) this.history.settle(conversation);
    this.changedNow(); // what is typed next is for this conversation
    return true;
  }

  /** Go where one was; who was nowhere, to the room where plain clients are. */
  enterFirst(): void {
    const place = this.profile.open ?? this.conversations.rooms[0]?.name ?? null;
    if (place === null || !this.enter(place)) this.#homeless = true;
  }

  /** Leave a room, or close a conversation. */
  leave(place: string): void {
    const conversation = this.conversations.find(place);
    if (conversation === undefined) return;
    const wasOpen = conversation === this.conversations.open;
    this.#incoming.part(conversation);
    this.conversations.remove(conversation);
    const next = this.conversations.rooms[0] ?? this.conversations.directs[0];
    if (wasOpen && next !== undefined) this.enter(next.name);
  }

  /** Join a room again that one was thrown out of. */
  rejoin(conversation: Conversation): void {
    conversation.set({ ended: null, error: null });
    this.#incoming.join(conversation);
  }

  /** Which rooms the server has. */
  async listRooms(): Promise<Listing<RoomInfo>> {
    return this.#wire === null ? { items: [], cut: 0 } : this.#wire.rooms();
  }

  // -- how it stands with the client -----------------------------------------------------------

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
    this.changed();
  }

  #leaveWire(): void {
    const wire = this.#wire;
    this.#wire = null;
    for (const stop of this.#stops) stop();
    this.#stops = [];
    wire?.abort();
  }
}
