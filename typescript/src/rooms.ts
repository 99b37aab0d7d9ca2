/**
 * The rooms that a client has to do with, and direct messages.
 *
 * Law of this file: each reply goes to the room that it names and to no other; what comes for a room
 * that nobody wants is dropped. What has come together is handed over together.
 */

import type { ClientError, Refused } from "./errors.js";
import { type DirectEvent, Message } from "./events.js";
import { Inbox } from "./inbox.js";
import type { Reader } from "./reader.js";
import { type PageWanted, Room } from "./room.js";
import { DIRECT } from "./wire/names.js";
import type { Reply, ReplyOf } from "./wire/replies.js";

/** All rooms of one client, by name. */
export class Rooms {
  readonly #rooms = new Map<string, Room>();
  readonly #fed = new Set<Inbox<never> | Room>();
  #directs: Inbox<DirectEvent> | null = null;

  /** `say` is called with frames while `online` says that there is a connection. */
  constructor(
    private readonly say: (frame: Uint8Array) => void,
    private readonly online: () => boolean,
  ) {}

  // -- from the program --------------------------------------------------------------------

  /** Begin a subscription. Throws Error if there is one. */
  subscribe(name: string, reader: Reader): void {
    const room = this.#room(name);
    if (room.reader !== null) {
      throw new Error(`this client is in ${name} already: close that subscription first`);
    }
    room.subscribe(reader);
  }

  /** End a subscription; what is unread is dropped. */
  close(name: string, reader: Reader): void {
    const room = this.#rooms.get(name);
    if (room?.reader === reader) {
      reader.inbox.clear();
      room.close(null);
      this.#tidy(room);
    }
  }

  read(name: string, wanted: PageWanted): void {
    this.#room(name).read(wanted);
  }

  forget(name: string, wanted: PageWanted): void {
    const room = this.#rooms.get(name);
    if (room !== undefined) {
      room.forget(wanted);
      this.#tidy(room);
    }
  }

  /** Begin to take direct messages. Throws Error if that is done already. */
  takeDirects(
    onEvents: ((events: readonly DirectEvent[]) => void) | undefined,
  ): Inbox<DirectEvent> {
    if (this.#directs !== null && !this.#directs.ended) {
      throw new Error("direct messages are being taken already: close that first");
    }
    const inbox: Inbox<DirectEvent> = new Inbox<DirectEvent>(onEvents, () =>
      this.leaveDirects(inbox),
    );
    this.#directs = inbox;
    return inbox;
  }

  /** Take no direct messages any more; what is unread is dropped. */
  leaveDirects(inbox: Inbox<DirectEvent>, error: ClientError | null = null): void {
    if (this.#directs === inbox) {
      this.#directs = null;
      if (error === null) {
        inbox.clear();
      }
      inbox.put({ kind: "ended", error });
      inbox.rest();
    }
  }

  // -- from the connection -----------------------------------------------------------------

  /** There is a new connection: ask for every room. */
  connected(): void {
    for (const room of this.#rooms.values()) {
      room.steer();
    }
  }

  lost(): void {
    for (const room of [...this.#rooms.values()]) {
      room.lost();
      this.#tidy(room);
    }
    this.rest();
  }

  /** Nothing more will come: pages get the reason, subscriptions what they are told. */
  end(error: ClientError, told: ClientError | null): void {
    for (const room of [...this.#rooms.values()]) {
      room.end(error, told);
    }
    this.#rooms.clear();
    if (this.#directs !== null) {
      const inbox = this.#directs;
      this.#directs = null;
      inbox.put({ kind: "ended", error: told });
      inbox.rest();
    }
  }

  /** Take what the server says of rooms. */
  take(reply: Reply): void {
    switch (reply.verb) {
      case "MSG":
        if (reply.room.startsWith(DIRECT)) {
          this.#direct(reply);
        } else {
          this.#tell(reply.room, (room) => room.message(reply));
        }
        break;
      case "SUBBED":
        this.#tell(reply.room, (room) => room.subbed(reply.head));
        break;
      case "LIVE":
        this.#tell(reply.room, (room) => room.live(reply.head));
        break;
      case "MISSED":
        this.#tell(reply.room, (room) => room.missed(reply.first, reply.last));
        break;
      case "UNSUBBED":
        this.#tell(reply.room, (room) => room.unsubbed());
        break;
      case "JOIN":
        this.#tell(reply.room, (room) =>
          room.presence({ kind: "join", room: reply.room, name: reply.name }),
        );
        break;
      case "PART":
        this.#tell(reply.room, (room) =>
          room.presence({ kind: "part", room: reply.room, name: reply.name }),
        );
        break;
      case "HERE":
        this.#tell(reply.room, (room) =>
          room.presence({ kind: "here", room: reply.room, names: reply.names, cut: reply.cut }),
        );
        break;
      default:
    }
  }

  /** The server does not let this client in. */
  refused(name: string, error: Refused): void {
    this.#tell(name, (room) => room.refused(error));
  }

  /** Hand over what has come in one piece. */
  rest(): void {
    for (const fed of this.#fed) {
      this.#fed.delete(fed);
      if (fed instanceof Room) {
        fed.reader?.inbox.rest();
        this.#tidy(fed);
      } else {
        fed.rest();
      }
    }
  }

  // -- within ------------------------------------------------------------------------------

  #room(name: string): Room {
    let room = this.#rooms.get(name);
    if (room === undefined) {
      room = new Room(name, this.say, this.online);
      this.#rooms.set(name, room);
    }
    return room;
  }

  #tell(name: string, act: (room: Room) => void): void {
    const room = this.#rooms.get(name);
    if (room !== undefined) {
      act(room);
      this.#fed.add(room);
    }
  }

  /** Keep a direct message; the oldest unread ones give way for it. */
  #direct({ room, seq, sender, millis, payload, extras }: ReplyOf<"MSG">): void {
    const inbox = this.#directs;
    if (inbox === null) {
      return;
    }
    inbox.put({
      kind: "message",
      message: new Message(room, seq, sender, millis, payload, extras),
    });
    inbox.dropOldest();
    this.#fed.add(inbox as unknown as Inbox<never>);
  }

  #tidy(room: Room): void {
    if (room.idle) {
      this.#rooms.delete(room.name);
    }
  }
}
