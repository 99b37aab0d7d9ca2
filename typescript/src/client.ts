/**
 * What programs do as a client: send to rooms, read them, and ask who is there.
 *
 * Law of this file: it says what a program may ask for, and checks that; all else is decided by the
 * parts. What `send` took is settled, one way or the other, exactly once.
 */

import type { Directs, Listing, RoomInfo, Subscription } from "./api.js";
import { ClientError, Refused } from "./errors.js";
import type { DirectEvent } from "./events.js";
import { Membership } from "./membership.js";
import { type HistoryOptions, type HistoryPage, Page } from "./page.js";
import type { Question } from "./questions.js";
import { Reader, type SubscribeOptions } from "./reader.js";
import type { PageWanted } from "./room.js";
import type { Receipt, Waiter } from "./talk.js";
import {
  checkFunction,
  checkObject,
  checkText,
  checkUnicode,
  isBytes,
  kind,
} from "./wire/arguments.js";
import { copied, encodeText } from "./wire/bytes.js";
import { checkRoom, checkTarget } from "./wire/names.js";
import type { Reply, ReplyOf } from "./wire/replies.js";
import * as requests from "./wire/requests.js";

/** A named member of a server, over however many connections. */
export class Client extends Membership {
  #drawn = 0;
  #pings = 0;

  // -- sending -------------------------------------------------------------------------------

  /** Send to a room, or to one member as `@name`; text goes as UTF-8. It is kept, and sent when there is a
   * connection. Resolves when stored; rejects with Refused (Undelivered for a direct message that reached
   * nobody, or whose outcome is unknown), or with what ended the client. A rejection that nobody handles is no unhandled rejection.
   * Throws RangeError for what cannot be a room, for a key that is on its way already, and for text that UTF-8
   * cannot hold; TypeError for what is neither text nor bytes. Then nothing is kept. */
  send(
    room: string,
    payload: string | Uint8Array,
    options: { key?: string } = {},
  ): Promise<Receipt> {
    checkTarget(room);
    const bytes = bytesOf(payload);
    checkObject(options, "what send takes");
    const key = options.key ?? this.#drawKey();
    checkText(key, "a key");
    const unable = this.#unable(bytes.length);
    let waiter: Waiter | undefined;
    const stored = new Promise<Receipt>((resolve, reject) => {
      waiter = { resolve, reject };
    });
    stored.catch(() => {});
    if (unable === null) {
      this.owed.add(key, room, bytes, this.clock.now(), waiter as Waiter);
      this.talk.flushSoon();
      this.changed();
    } else {
      waiter?.reject(unable);
    }
    return stored;
  }

  /** Take a message back that was never handed to a connection; false if it is too late. Its promise rejects
   * with code "discarded". */
  discard(key: string): boolean {
    checkText(key, "a key");
    const entry = this.owed.discard(key);
    entry?.waiter?.reject(new ClientError("discarded", "the message was taken back"));
    if (entry !== null) {
      this.talk.eased();
    }
    return entry !== null;
  }

  /** Resolves when there is room for more to send: who sends without waiting for receipts waits for this.
   * Rejects with what ended the client. */
  writable(): Promise<void> {
    const ended = this.over();
    return ended === null ? this.talk.room() : Promise.reject(ended);
  }

  // -- reading -------------------------------------------------------------------------------

  /** Join a room. Throws RangeError or TypeError for what cannot be, and Error if this client is in the room
   * already. */
  subscribe(room: string, options: SubscribeOptions = {}): Subscription {
    checkRoom(room);
    const { rooms } = this.talk;
    const reader = new Reader(options, () => rooms.close(room, reader));
    const ended = this.over();
    if (ended !== null) {
      throw ended;
    }
    rooms.subscribe(room, reader);
    return {
      room,
      get position() {
        return reader.position;
      },
      close: () => rooms.close(room, reader),
      [Symbol.asyncIterator]: () => reader.inbox[Symbol.asyncIterator](),
    };
  }

  /** Take direct messages from now on. One at a time: throws Error otherwise. Throws TypeError for what cannot
   * be called. */
  directs(options: { onEvents?: (events: readonly DirectEvent[]) => void } = {}): Directs {
    const ended = this.over();
    if (ended !== null) {
      throw ended;
    }
    checkObject(options, "what directs takes");
    if (options.onEvents !== undefined) {
      checkFunction(options.onEvents, "onEvents");
    }
    const { rooms } = this.talk;
    const inbox = rooms.takeDirects(options.onEvents);
    return {
      close: () => rooms.leaveDirects(inbox),
      [Symbol.asyncIterator]: () => inbox[Symbol.asyncIterator](),
    };
  }

  /** Read a page of a room's history, whether or not one is in it (who is in it stays in it, unseen by
   * others; who is not comes and goes). Rejects with Refused, with what ended the client, or with the
   * reason of `signal`; waits while offline. Throws RangeError or TypeError for what cannot be. */
  history(
    room: string,
    options: HistoryOptions & { signal?: AbortSignal } = {},
  ): Promise<HistoryPage> {
    checkRoom(room);
    const page = new Page(options);
    const { signal } = options;
    if (signal !== undefined) {
      checkObject(signal, "a signal", "addEventListener", "removeEventListener");
    }
    return new Promise((resolve, reject) => {
      const ended = this.over();
      if (ended !== null || signal?.aborted) {
        reject(ended ?? signal?.reason);
        return;
      }
      const abandon = () => {
        this.talk.rooms.forget(room, wanted);
        reject(signal?.reason);
      };
      const wanted: PageWanted = {
        page,
        settle: (outcome) => {
          signal?.removeEventListener("abort", abandon);
          if (outcome instanceof ClientError) {
            reject(outcome);
          } else {
            resolve(outcome);
          }
        },
      };
      signal?.addEventListener("abort", abandon, { once: true });
      this.talk.rooms.read(room, wanted);
    });
  }

  // -- asking --------------------------------------------------------------------------------

  /** Who is in a room. */
  async who(room: string): Promise<Listing<string>> {
    checkRoom(room);
    const here = await this.#ask<"HERE">("WHO", room, requests.who(room));
    return { items: here.names, cut: here.cut };
  }

  /** Which rooms there are. */
  async rooms(): Promise<Listing<RoomInfo>> {
    const found = await this.#ask<"ROOMS">("ROOMS", null, requests.rooms());
    return { items: found.rooms as unknown as RoomInfo[], cut: found.cut };
  }

  /** How many milliseconds the server took to process all that was sent before. */
  async ping(): Promise<number> {
    this.#pings += 1;
    const token = String(this.#pings);
    const began = this.clock.now();
    this.talk.flush();
    await this.#ask<"PONG">("PING", token, requests.ping(token));
    return this.clock.now() - began;
  }

  // -- within --------------------------------------------------------------------------------

  #ask<V extends Reply["verb"]>(
    verb: Question["verb"],
    subject: string | null,
    frame: Uint8Array,
  ): Promise<ReplyOf<V>> {
    return new Promise((resolve, reject) => {
      const ended = this.over();
      if (ended !== null) {
        reject(ended);
        return;
      }
      const settle = (outcome: Reply | ClientError) =>
        outcome instanceof ClientError ? reject(outcome) : resolve(outcome as ReplyOf<V>);
      this.talk.questions.add({ verb, subject, frame, settle });
      this.talk.write(frame);
    });
  }

  /** Return why a message of so many bytes cannot be taken, or null. */
  #unable(length: number): ClientError | null {
    const limit = this.talk.maxPayload;
    return length <= limit
      ? this.over()
      : new Refused(
          "too-large",
          `a message of ${length} bytes is over this server's limit of ${limit}: send it in smaller ones`,
        );
  }

  #drawKey(): string {
    this.#drawn += 1;
    const chance = Math.random().toString(36).slice(2);
    return `${this.clock.now().toString(36)}-${this.#drawn.toString(36)}-${chance}`;
  }
}

/** Return a message's bytes: a copy, since it may be sent again later. */
function bytesOf(payload: unknown): Uint8Array {
  if (isBytes(payload)) {
    return copied(payload);
  }
  if (typeof payload !== "string") {
    throw new TypeError(`a message is a string or a Uint8Array, not ${kind(payload)}`);
  }
  checkUnicode(payload, "a message");
  return encodeText(payload);
}
