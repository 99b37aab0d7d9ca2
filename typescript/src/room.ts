/**
 * One room on one connection at a time: who reads it, pages of its history, and what to ask next.
 *
 * A room has one place in its log for this connection, and `SUB` moves it without others noticing.
 * So a page is read by moving back, and then to where the subscription stands.
 *
 * Law of this file: at most one question is unanswered; what comes belongs to the question that was
 * answered last; each message is handed on once and in order, or a gap stands where it would
 * have; the transport is never paused, for acknowledgements come behind the messages.
 */

import type { ClientError, Refused } from "./errors.js";
import type { RoomEvent } from "./events.js";
import type { HistoryPage, Page } from "./page.js";
import { Reader } from "./reader.js";
import type { ReplyOf } from "./wire/replies.js";
import { type Beginning, sub, unsub, who } from "./wire/requests.js";

/** A page that is wanted, and who waits for it. */
export interface PageWanted {
  readonly page: Page;
  settle(outcome: HistoryPage | ClientError): void;
}

/** Whose the stream of messages is: the subscription's, a page's, or nobody's. */
type Stream = Reader | PageWanted | null;

/** What one client has to do with one room. */
export class Room {
  reader: Reader | null = null;
  readonly #pages: PageWanted[] = [];
  #stream: Stream = null;
  /** Whose it will be at the server's next answer; undefined: no answer is awaited. */
  #asked: Stream | undefined = undefined;
  /** What was asked for a page last. */
  #question: Beginning | null = null;
  /** Whether the subscription was let in, on this connection, since it last left. */
  #joined = false;
  /** Whether something was passed over, so that it must be asked for again. */
  #broken = false;

  /** `say` is called with frames while `online` says that there is a connection. */
  constructor(
    readonly name: string,
    private readonly say: (frame: Uint8Array) => void,
    private readonly online: () => boolean,
  ) {}

  /** Whether nobody wants anything of it, and the server knows. */
  get idle(): boolean {
    return (
      this.reader === null &&
      this.#pages.length === 0 &&
      this.#asked === undefined &&
      this.#stream === null
    );
  }

  // -- from the program --------------------------------------------------------------------

  subscribe(reader: Reader): void {
    this.reader = reader;
    this.#joined = false;
    reader.inbox.taken = () => this.steer();
    this.steer();
  }

  /** End the subscription; nothing of it follows. */
  close(error: ClientError | null): void {
    const { reader } = this;
    if (reader !== null) {
      this.reader = null;
      reader.inbox.put({ kind: "ended", room: this.name, error });
      this.steer();
      reader.inbox.rest();
    }
  }

  read(wanted: PageWanted): void {
    this.#pages.push(wanted);
    this.steer();
  }

  /** Nobody waits for a page any more. */
  forget(wanted: PageWanted): void {
    const at = this.#pages.indexOf(wanted);
    if (at >= 0) {
      this.#pages.splice(at, 1);
      this.steer();
    }
  }

  /** Nothing more will come: give every wait the reason, and the subscription what it is told. */
  end(error: ClientError, told: ClientError | null): void {
    this.lost();
    for (const { settle } of this.#pages.splice(0)) {
      settle(error);
    }
    this.close(told);
  }

  // -- from the connection -----------------------------------------------------------------

  lost(): void {
    this.#stream = null;
    this.#asked = undefined;
    this.#joined = false;
    for (const { page } of this.#pages) {
      page.again();
    }
    if (this.reader !== null) {
      this.reader.replaced = false;
    }
  }

  subbed(head: number): void {
    const asked = this.#asked;
    if (asked === undefined || asked === null) {
      return; // no answer to what was asked
    }
    this.#asked = undefined;
    this.#stream = asked;
    if (!(asked instanceof Reader)) {
      asked.page.subbed(head);
    } else if (asked === this.reader) {
      this.#joined = true;
      this.#broken = false;
      asked.subbed(this.name, head);
    }
    this.steer();
  }

  unsubbed(): void {
    if (this.#asked === null) {
      this.#asked = undefined;
      this.#stream = null;
      this.steer();
    }
  }

  message(reply: ReplyOf<"MSG">): void {
    this.#take(
      (reader) => reader.message(reply),
      (page) => page.message(reply),
    );
  }

  missed(first: number, last: number): void {
    this.#take(
      (reader) => reader.missed(this.name, first, last),
      (page) => page.missed(first, last),
    );
  }

  live(head: number): void {
    this.#take(
      (reader) => reader.live(this.name, head),
      (page) => page.ended(),
    );
  }

  /** Who comes, goes and is there is told as long as one is a member, whatever is read meanwhile. */
  presence(event: Extract<RoomEvent, { kind: "join" | "part" | "here" }>): void {
    const { reader } = this;
    if (reader?.presence && this.#joined && !this.#broken) {
      reader.inbox.put(event);
      this.steer();
    }
  }

  refused(error: Refused): void {
    const asked = this.#asked;
    if (asked === undefined || asked === null) {
      return;
    }
    this.#asked = undefined;
    if (!(asked instanceof Reader)) {
      if (!(error.code === "bad-args" && asked.page.beyond())) {
        this.#settle(asked, error);
      }
    } else if (asked === this.reader) {
      if (error.code === "bad-args" && asked.next !== null && !asked.replaced) {
        asked.replaced = true; // the room has fewer messages than were seen
      } else {
        this.close(error);
      }
    }
    this.steer();
  }

  // -- within ------------------------------------------------------------------------------

  /** Ask for what is wanted next, unless an answer is awaited. */
  steer(): void {
    const { reader } = this;
    if (reader !== null && this.#joined && reader.inbox.full) {
      this.#broken = true; // nothing is kept from here on, lest memory fill
    }
    if (this.#asked !== undefined || !this.online()) {
      return;
    }
    const wants = reader !== null && (this.#joined && !this.#broken ? true : reader.inbox.roomy);
    const wanted = this.#pages[0];
    // A subscription comes first on each connection, so that a page does not delay what is seen first.
    if (wanted !== undefined && (!wants || (this.#joined && reader.next !== null))) {
      if (this.#stream !== wanted || wanted.page.beginning !== this.#question) {
        this.#question = wanted.page.beginning;
        this.#ask(wanted, sub(this.name, this.#question, reader?.presence ?? false));
      }
    } else if (wants) {
      if (this.#stream !== reader || this.#broken) {
        this.#ask(reader, sub(this.name, reader.beginning, reader.presence));
        if (reader.presence && (!this.#joined || this.#broken)) {
          this.say(who(this.name)); // nobody told who came and went meanwhile
        }
      }
    } else if (this.#stream !== null) {
      this.#ask(null, unsub(this.name));
    }
  }

  #ask(stream: Stream, frame: Uint8Array): void {
    this.#asked = stream;
    this.say(frame);
  }

  /** Give something of the stream to whose it is. */
  #take(read: (reader: Reader) => void, turn: (page: Page) => void): void {
    const stream = this.#stream;
    if (stream === null) {
      return;
    }
    if (stream instanceof Reader) {
      if (stream !== this.reader || !this.#joined || this.#broken) {
        return; // what comes while leaving is asked for again
      }
      read(stream);
    } else {
      if (stream.page.finished || this.#asked !== undefined) {
        return; // what still comes behind the page
      }
      turn(stream.page);
      if (stream.page.finished) {
        this.#settle(stream, stream.page.result);
      }
    }
    this.steer();
  }

  #settle(wanted: PageWanted, outcome: HistoryPage | ClientError): void {
    const at = this.#pages.indexOf(wanted);
    if (at >= 0) {
      this.#pages.splice(at, 1);
      wanted.settle(outcome);
    }
  }
}
