/**
 * What goes out: one's own messages, from when they are written until they are stored or refused.
 *
 * Law of this file: the outbox is the client's, and by its word alone a message waits, is sent, stored or refused; what
 * was refused is kept until its writer has decided.
 */

import type { ClientError, Refused } from "tcpmsg";
import type { Conversations } from "./conversations";
import { afterOf, type Content, contentOf, keyAfter } from "./entry";
import { isDirect } from "./grammar";
import type { Parts, Wire } from "./parts";

/** How long, in milliseconds, a stored message may be shown below the others until it is seen in its place. One that
 * went under another name, before a reload, is not recognised there. */
export const ECHO_TIME = 10_000;

/** Bytes of what waits to be stored with which the server is asked whether it is there: its answer would come behind more
 * than that, and a slow line would be taken for a dead one. */
export const SOON_SENT = 64 * 1024;

/** What is said of a message that may have been received. */
export const UNCERTAIN = "Perhaps not received";

export class Outgoing {
  readonly #parts: Parts;
  readonly #conversations: Conversations;
  readonly #changed: () => void;
  #wire: Wire | null = null;
  /** What the outbox could not keep, of messages that are stored by now. */
  #pastError: Error | null = null;

  /** `changed` is called whenever something goes, or has gone. */
  constructor(parts: Parts, conversations: Conversations, changed: () => void) {
    this.#parts = parts;
    this.#conversations = conversations;
    this.#changed = changed;
  }

  /** Send by this client from now on, and show what it has to send; the function returned ends it. */
  attach(wire: Wire): () => void {
    this.#wire = wire;
    const stops = [
      wire.on("state", () => this.showPending()),
      wire.on("outbox", () => this.showPending()),
      wire.on("stored", ({ key, room, seq }) => this.#stored(key, room, seq)),
      wire.on("refused", ({ key, room, payload, error }) =>
        this.#refused(key, room, contentOf(payload), error),
      ),
    ];
    this.showPending();
    return () => {
      for (const stop of stops) stop();
      this.#wire = null;
    };
  }

  /** How many messages are not known to be stored. */
  get pending(): number {
    return this.#wire?.outbox.length ?? 0;
  }

  /** Whether all of them would survive a reload. */
  get keeps(): boolean {
    const failed = this.#wire?.storeError ?? null;
    return this.pending === 0 || (!this.#parts.profile.storeless && (failed === null || failed === this.#pastError));
  }

  /** Say something. */
  say(place: string, said: string | Uint8Array): void {
    // half a surrogate pair, as a cut text may end with, cannot be sent
    const words = typeof said === "string" ? said.replace(/\p{Surrogate}/gu, "\ufffd") : said;
    const wire = this.#wire;
    const conversation = this.#conversations.find(place);
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
    this.showPending();
    if (wire.state.phase === "online") this.nudge(); // is the server there at all?
  }

  /** Connect at once if offline; if online, ask whether the server is there, unless the answer would wait behind much
   * that is sent: a slow line is not to be taken for a dead one. */
  nudge(): void {
    const wire = this.#wire;
    if (wire === null) return;
    const size = wire.outbox.reduce((sum, each) => sum + each.payload.length, 0);
    if (wire.state.phase !== "online" || size <= SOON_SENT) wire.nudge();
  }

  /** Send again what was refused. It was not stored, for certain, so it is a new message to the server. */
  retry(place: string, key: string): void {
    const own = this.#conversations.find(place)?.findOwn(key);
    if (own?.state !== "failed") return;
    this.#drop(place, key);
    this.say(place, own.content);
  }

  /** Take back what was refused, or what was not sent yet; returns its text, to be written anew. */
  takeBack(place: string, key: string): Content | null {
    const own = this.#conversations.find(place)?.findOwn(key);
    if (own === undefined) return null;
    if (own.state !== "failed" && this.#wire?.discard(key) !== true) return null;
    this.#drop(place, key);
    return own.content;
  }

  /** Show what the client has to send, in the conversations that are listed now. */
  showPending(): void {
    for (const { key, room, payload, time, sent } of this.#wire?.outbox ?? []) {
      const conversation = isDirect(room) ? this.#conversations.add(room) : this.#conversations.find(room);
      if (conversation === undefined) continue;
      const state = sent && this.#wire?.state.phase === "online" ? "sent" : "waiting";
      const own = conversation.findOwn(key);
      if (own?.state === state) continue;
      conversation.own(
        { key, content: own?.content ?? contentOf(payload), time, state, reason: null },
        own?.after ?? afterOf(key),
      );
    }
    if (this.pending === 0) this.#pastError = this.#wire?.storeError ?? null;
    this.#changed();
  }

  #stored(key: string, room: string, seq: number | null): void {
    const conversation = this.#conversations.find(room);
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
    const sender = this.#wire?.name ?? "";
    conversation.appendLocal({ sender, time, content, mine: true, calls: false, key });
    this.#parts.directs.keep(room, { sender, time, content });
  }

  #refused(key: string, room: string, content: Content, error: ClientError): void {
    const conversation = isDirect(room) ? this.#conversations.add(room) : this.#conversations.find(room);
    const reason = "reason" in error ? (error as Refused).reason : error.message;
    const own = conversation?.findOwn(key);
    const time = own?.time ?? Date.now();
    const uncertain = error.code === "unknown";
    if (typeof content === "string") {
      this.#parts.profile.keepFailure({ key, room, time, text: content, reason, uncertain });
    }
    if (conversation === undefined) {
      this.#parts.notices.show(`A message to ${room} was refused: ${reason} Join ${room} to edit it or send it again.`, "bad");
      return;
    }
    conversation.own({ key, content, time, state: "failed", reason, uncertain }, own?.after ?? afterOf(key));
    this.#parts.notices.speak(`${uncertain ? UNCERTAIN : "Not sent"}: ${reason}`);
  }

  #drop(place: string, key: string): void {
    this.#conversations.find(place)?.dropOwn(key);
    this.#parts.profile.dropFailure(key);
  }
}
