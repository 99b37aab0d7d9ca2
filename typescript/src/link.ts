/**
 * One connection to a server: introduction, heartbeat, end.
 *
 * Law of this file: nothing is sent before `WELCOME` but `HELLO`; it ends once, with the first
 * reason; a server that is silent for too long is gone, and one that does not read fills no memory.
 */

import {
  answered,
  CannotConnect,
  type ClientError,
  Disconnected,
  endsConnection,
  notUnderstood,
  TimedOut,
  turnedAway,
} from "./errors.js";
import { Heartbeat } from "./heartbeat.js";
import type { Clock, Connection, Transport } from "./transport.js";
import { sentenceOf } from "./wire/bytes.js";
import { type Frame, FrameDecoder } from "./wire/decoder.js";
import { ProtocolError } from "./wire/errors.js";
import { HEADER_SIZE } from "./wire/limits.js";
import { parseReply, type Reply, type ReplyOf } from "./wire/replies.js";
import { bye, ping, pong } from "./wire/requests.js";

/** Milliseconds that connecting may take, and then the answer to `HELLO`: a server may first settle
 * what an older connection of the same client has sent. */
export const WELCOME_WITHIN = 30_000;

/** Milliseconds that a server that has said `BYE` may take to close: twice what it gives itself. */
export const FAREWELL = 10_000;

/** Milliseconds that a transport may take to close when nothing more is wanted of it. */
const CLOSE_WITHIN = 2_000;

/** Answers to `PING` that may wait for a server that does not read: 64 KiB, as much as a server
 * keeps for a client. What waits is sign of life enough when it reads on. */
const UNREAD_ANSWERS = 512;

/** What a link tells its owner. */
export interface LinkEvents {
  welcomed(welcome: ReplyOf<"WELCOME">): void;
  replied(reply: Reply): void;
  /** All that has come in one piece was told. */
  rested(): void;
  drained(): void;
  /** Once, when it is gone; nothing follows. */
  ended(error: ClientError): void;
}

/** One connection, from its attempt to its end. */
export class Link {
  /** Whether the transport holds enough for now. */
  full = false;
  /** Why it ends, or null while it lasts. */
  error: ClientError | null = null;
  readonly #address: string;
  readonly #clock: Clock;
  readonly #hello: Uint8Array;
  readonly #told: LinkEvents;
  readonly #decoder: FrameDecoder;
  readonly #connection: Connection;
  #opened = false;
  #welcomed = false;
  #deaf = false;
  #gone = false;
  #leaving = false;
  #answers = 0; // to PING, since the transport was full
  #late: unknown = null;
  readonly #heartbeat: Heartbeat;

  /** Begin to connect. */
  constructor(
    transport: Transport,
    clock: Clock,
    hello: Uint8Array,
    maxPayload: number,
    told: LinkEvents,
  ) {
    this.#address = transport.address;
    this.#clock = clock;
    this.#hello = hello;
    this.#told = told;
    this.#decoder = new FrameDecoder(HEADER_SIZE, maxPayload);
    this.#heartbeat = new Heartbeat(
      clock,
      () => this.#connection.unsent?.() ?? 0,
      () => this.write(ping()),
      (error) => this.abort(error),
    );
    this.#late = clock.setTimeout(
      () => this.abort(new CannotConnect(this.#address, "no answer; check the address")),
      WELCOME_WITHIN,
    );
    this.#connection = this.#connect(transport);
  }

  /** Send frames, encoded before; what an ended connection would lose is not sent. */
  write(bytes: Uint8Array): void {
    if (this.error === null && !this.#leaving) {
      this.#heartbeat.handed(bytes.length);
      this.full = !this.#connection.send(bytes) || this.full;
    }
  }

  /** Say `BYE`, and read on until the server closes. */
  leave(): void {
    this.write(bye());
    this.#leaving = true;
  }

  /** Whether it ended because this side has said `BYE` and the server closed in order. */
  get left(): boolean {
    return this.#leaving && this.error instanceof Disconnected;
  }

  /** End it with a reason, and read no more. */
  end(error: ClientError): void {
    this.error ??= error;
    this.#deaf = true;
    this.#stopTimers();
    if (!this.#gone) {
      this.#late = this.#clock.setTimeout(() => this.#connection.abort(), CLOSE_WITHIN);
      this.#connection.close();
    }
  }

  /** End it at once. */
  abort(error: ClientError): void {
    this.error ??= error;
    this.#deaf = true;
    this.#connection.abort();
  }

  /** Find out soon whether the server is there. (Where much waits to be sent, the answer would come behind
   * all of it, and not soon.) */
  probe(): void {
    if (this.#welcomed && this.error === null && !this.full) {
      this.#heartbeat.probe();
    }
  }

  // -- from the transport ------------------------------------------------------------------

  #connect(transport: Transport): Connection {
    try {
      return transport.connect({
        opened: () => this.#open(),
        received: (bytes) => this.#received(bytes),
        drained: () => this.#drained(),
        closed: (error) => this.#closed(error),
      });
    } catch (error) {
      // As a browser's WebSocket does where the page may not connect: an end like others.
      this.#clock.setTimeout(() => this.#closed(error as Error), 0);
      return NOWHERE;
    }
  }

  #open(): void {
    this.#opened = true;
    this.#wait(WELCOME_WITHIN, () =>
      this.abort(
        new TimedOut(
          `the server did not answer HELLO within ${WELCOME_WITHIN / 1000} s; is it a tcpmsg server?`,
        ),
      ),
    );
    this.write(this.#hello);
  }

  #received(bytes: Uint8Array): void {
    this.#heartbeat.heard();
    try {
      if (!this.#deaf) {
        for (const frame of this.#decoder.feed(bytes)) {
          this.#frame(frame);
          if (this.#deaf) {
            break;
          }
        }
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        throw error;
      }
      this.end(notUnderstood(error, bytes));
    }
    this.#told.rested();
  }

  #drained(): void {
    this.full = false;
    this.#answers = 0;
    if (this.error === null) {
      this.#told.drained();
    }
  }

  #closed(error: Error | null): void {
    this.#gone = true;
    this.#deaf = true;
    this.#stopTimers();
    this.error ??= this.#reason(error);
    this.#told.ended(this.error);
  }

  // -- within ------------------------------------------------------------------------------

  #frame(frame: Frame): void {
    if (!this.#welcomed && frame.words.length === 0) {
      const refusal = turnedAway(sentenceOf(frame.payload));
      if (refusal !== null) {
        this.end(refusal);
        return;
      }
    }
    const reply = parseReply(frame);
    if (reply === null) {
      return;
    }
    switch (reply.verb) {
      case "PING":
        if (this.#welcomed) {
          this.#answers += this.full ? 1 : 0;
          if (this.#answers <= UNREAD_ANSWERS) {
            this.write(pong(reply.token));
          }
        }
        return;
      case "PONG":
        if (reply.token === null) {
          this.#heartbeat.answered();
        } else {
          this.#told.replied(reply); // whoever has not asked is not answered
        }
        return;
      case "BYE":
        this.#serverGoes(reply.reason);
        return;
      case "WELCOME":
        if (!this.#welcomed && this.error === null) {
          this.#welcomed = true;
          this.#clock.clearTimeout(this.#late);
          this.#heartbeat.begin();
          this.#told.welcomed(reply);
        }
        return;
      case "ERR":
        if (!this.#welcomed) {
          this.end(answered(reply.code, reply.reason, true));
          return;
        }
        this.#told.replied(reply);
        if (endsConnection(reply.code)) {
          this.end(answered(reply.code, reply.reason));
        }
        return;
      default:
        if (this.#welcomed) {
          this.#told.replied(reply);
        }
    }
  }

  /** The server stops: let it, and read on, for it first flushes what it owes. */
  #serverGoes(reason: string): void {
    if (this.error === null) {
      this.write(bye());
      this.error = new Disconnected(reason === "" ? "the server stops" : reason);
      this.#wait(FAREWELL, () => this.#connection.abort());
    }
  }

  #wait(milliseconds: number, act: () => void): void {
    this.#clock.clearTimeout(this.#late);
    this.#late = this.#clock.setTimeout(act, milliseconds);
  }

  #stopTimers(): void {
    this.#clock.clearTimeout(this.#late);
    this.#heartbeat.stop();
  }

  #reason(error: Error | null): ClientError {
    if (!this.#opened) {
      return new CannotConnect(
        this.#address,
        error?.message ?? "the connection was closed at once",
      );
    }
    const what = error?.message ?? "the server closed the connection";
    return new Disconnected(
      this.#welcomed
        ? what
        : `${what} before it made this client welcome: it may be stopping, or no tcpmsg server`,
    );
  }
}

/** The connection of an attempt that could not even begin. */
const NOWHERE: Connection = { send: () => true, close: () => {}, abort: () => {} };
