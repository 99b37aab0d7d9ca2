/**
 * The byte stream over a WebSocket: binary messages hold any piece of it.
 *
 * Law of this file: a message is never larger than a piece, and what waits to be sent is bounded
 * by whoever heeds `send`. A WebSocket cannot be told to wait, so nothing here tries to.
 */

import { type Clock, type Connection, platformClock, type Transport } from "./transport.js";
import { checkFunction, checkObject, checkText } from "./wire/arguments.js";

/** Bytes of the largest message that is sent: servers bound what one message may be. */
const PIECE_BYTES = 64 * 1024;

/** Bytes that may wait in the platform before senders are asked to wait. */
const HIGH_WATER = 1024 * 1024;

/** Bytes at which they go on: the line must not fall idle while the next look is awaited. */
const LOW_WATER = 256 * 1024;

/** Milliseconds between two looks at what waits: the platform tells of it in no other way. */
const LOOK_MILLISECONDS = 20;

const OPEN = 1;

/** What of a WebSocket is used; the platform's and the one of `ws` have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: unknown;
  onmessage: unknown;
  onclose: unknown;
  onerror: unknown;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
  /** Where it is there, it cuts off. */
  terminate?(): void;
}

export interface WebSocketOptions {
  /** The constructor; the platform's own if it is left out. In Node before 22: the one of `ws`. */
  WebSocket?: new (
    url: string,
  ) => unknown;
  clock?: Clock;
}

/**
 * Reach a server by WebSocket; `url` is `ws://HOST:PORT/ws` or `wss://...`. Throws TypeError where the
 * platform has no WebSocket and none was given, and for what is no address.
 */
export function webSocket(url: string | URL, options: WebSocketOptions = {}): Transport {
  checkObject(options, "what webSocket takes");
  if (!(url instanceof URL)) {
    checkText(url, "an address");
  }
  const address = String(url);
  new URL(address, globalThis.location?.href); // throws TypeError for what is none
  const Constructor = options.WebSocket ?? globalThis.WebSocket;
  if (Constructor === undefined) {
    throw new TypeError(
      'there is no WebSocket here: give one, such as that of the package "ws", as ' +
        '{ WebSocket }, or use tcp() of "tcpmsg/tcp"',
    );
  }
  checkFunction(Constructor, "WebSocket");
  const clock = options.clock ?? platformClock;
  checkObject(clock, "a clock", "now", "setTimeout", "clearTimeout");
  return {
    address,
    connect: (events) => {
      const socket = new Constructor(address) as WebSocketLike;
      socket.binaryType = "arraybuffer";
      return new WebSocketConnection(socket, clock, events);
    },
  };
}

class WebSocketConnection implements Connection {
  readonly #socket: WebSocketLike;
  readonly #clock: Clock;
  #looking: unknown = null;
  #opened = false;
  #over = false;
  #end: (error: Error | null) => void;
  #drained: () => void;

  constructor(socket: WebSocketLike, clock: Clock, events: Parameters<Transport["connect"]>[0]) {
    this.#socket = socket;
    this.#clock = clock;
    this.#drained = () => events.drained();
    this.#end = (error) => {
      if (!this.#over) {
        this.#over = true;
        clock.clearTimeout(this.#looking);
        events.closed(error);
      }
    };
    socket.onopen = () => {
      this.#opened = true;
      if (!this.#over) {
        events.opened();
      }
    };
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (this.#over) {
        return;
      }
      if (typeof data === "string") {
        this.#end(new Error("the server sent text, and this protocol is bytes: check the address"));
        this.abort();
      } else {
        events.received(new Uint8Array(data as ArrayBuffer));
      }
    };
    // An error says nothing, for the platform hides why; the close that follows it counts.
    socket.onerror = () => {};
    socket.onclose = (event: { code?: number; reason?: string; wasClean?: boolean }) => {
      this.#end(this.#opened ? ending(event) : new Error("no WebSocket answers there"));
    };
  }

  send(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (this.#over || socket.readyState !== OPEN) {
      return true; // it is over: `closed` follows, and what was not acknowledged is sent again
    }
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      socket.send(bytes.subarray(at, at + PIECE_BYTES) as Uint8Array<ArrayBuffer>);
    }
    if (socket.bufferedAmount <= HIGH_WATER) {
      return true;
    }
    this.#look();
    return false;
  }

  unsent(): number {
    return this.#socket.bufferedAmount;
  }

  close(): void {
    this.#socket.close();
  }

  abort(): void {
    this.#end(null);
    if (this.#socket.terminate !== undefined) {
      this.#socket.terminate();
    } else {
      this.#socket.close();
    }
  }

  /** Look after a while whether enough was sent. */
  #look(): void {
    this.#clock.clearTimeout(this.#looking);
    this.#looking = this.#clock.setTimeout(() => {
      if (this.#socket.bufferedAmount > LOW_WATER) {
        this.#look();
      } else if (!this.#over) {
        this.#drained();
      }
    }, LOOK_MILLISECONDS);
  }
}

/** Return what a close means, or null if the server ended the stream in order. */
function ending(event: { code?: number; reason?: string; wasClean?: boolean }): Error | null {
  const { code = 1006, reason = "" } = event;
  if (code === 1000 || code === 1001 || code === 1005) {
    return null;
  }
  return new Error(`the WebSocket was closed with ${code}${reason === "" ? "" : `: ${reason}`}`);
}
