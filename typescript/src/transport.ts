/**
 * What the client asks of whatever carries its bytes, and of time.
 *
 * Law of this file: types, and the platform's own clock; no transport is named here.
 */

/** What is told of one connection, by the transport to the client. */
export interface ConnectionEvents {
  opened(): void;
  received(bytes: Uint8Array): void;
  /** `send` returned false, and now there is room again. */
  drained(): void;
  /** Once; nothing follows. `error` is null where the other side ended the stream in order. */
  closed(error: Error | null): void;
}

/** One connection of a transport. */
export interface Connection {
  /** Hand over bytes, once it is opened. False: they are taken, but wait for `drained` before the next. */
  send(bytes: Uint8Array): boolean;
  /** Bytes that were handed over and wait here: while they get fewer, the line is alive. Where it cannot be
   * told, leave it out. */
  unsent?(): number;
  /** Close in order; what was handed over is sent before. */
  close(): void;
  /** Close at once. */
  abort(): void;
}

/** A way to reach a server: `webSocket(...)`, or `tcp(...)` from "tcpmsg/tcp". */
export interface Transport {
  /** Where it leads, as people read it. */
  readonly address: string;
  /** Begin to connect. Nothing is told before this returns. */
  connect(events: ConnectionEvents): Connection;
  /** Random bytes, where the platform has no global `crypto`. */
  entropy?(count: number): Uint8Array;
}

/** Time, and timers. */
export interface Clock {
  /** Unix time in milliseconds. */
  now(): number;
  setTimeout(act: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** The platform's own clock. */
export const platformClock: Clock = {
  now: () => Date.now(),
  setTimeout: (act, milliseconds) => globalThis.setTimeout(act, milliseconds),
  clearTimeout: (timer) => globalThis.clearTimeout(timer as number | undefined),
};
