/**
 * A client with everything round it in memory: time that moves when the test says so, and the
 * server's side of each connection in the test's hands.
 */

import type { Clock, Transport } from "../../src/index.js";
import {
  Client,
  type ClientOptions,
  type Connection,
  type ConnectionEvents,
} from "../../src/index.js";
import { encodeText, textOf } from "../../src/wire/bytes.js";
import { type Frame, FrameDecoder } from "../../src/wire/decoder.js";
import { encodeFrame } from "../../src/wire/requests.js";

export const SECRET = "0123456789abcdef";

/** Let all promises that can go on go on. */
export async function turn(): Promise<void> {
  for (let at = 0; at < 20; at += 1) {
    await Promise.resolve();
  }
}

/** Time that stands still between `advance`s. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  #number = 0;
  readonly #timers = new Map<number, { at: number; act: () => void }>();

  now(): number {
    return this.#now;
  }

  setTimeout(act: () => void, milliseconds: number): unknown {
    this.#number += 1;
    const wait = milliseconds < 2 ** 31 ? milliseconds : 1; // as platforms do
    this.#timers.set(this.#number, { at: this.#now + wait, act });
    return this.#number;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as number);
  }

  /** Set the time, as people and time servers do: timers go on as before. */
  set(now: number): void {
    const leap = now - this.#now;
    this.#now = now;
    for (const timer of this.#timers.values()) {
      timer.at += leap;
    }
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer, or null. */
  get next(): number | null {
    const times = [...this.#timers.values()].map(({ at }) => at);
    return times.length === 0 ? null : Math.min(...times) - this.#now;
  }

  async advance(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= until);
      due.sort(([a, { at: first }], [b, { at: second }]) => first - second || a - b);
      const [next] = due;
      if (next === undefined) {
        break;
      }
      const [number, { at, act }] = next;
      this.#timers.delete(number);
      this.#now = Math.max(this.#now, at);
      act();
      await turn();
    }
    this.#now = until;
    await turn();
  }
}

/** The server's side of one connection. */
export class Peer implements Connection {
  /** Whether the client's transport says that it is full. */
  full = false;
  /** Bytes of what the client has said that wait on its side. */
  waiting = 0;
  closing = false;
  gone = false;
  readonly #decoder = new FrameDecoder(128, 64 * 1024 * 1024);
  #frames: Frame[] = [];

  constructor(readonly events: ConnectionEvents) {}

  // -- for the client

  send(bytes: Uint8Array): boolean {
    this.#frames.push(...this.#decoder.feed(bytes.slice()));
    this.waiting += this.waiting > 0 ? bytes.length : 0; // behind what waits
    return !this.full;
  }

  unsent(): number {
    return this.waiting;
  }

  close(): void {
    this.closing = true;
  }

  abort(): void {
    this.cut();
  }

  // -- for the test

  /** What the client has said since the last look, as `PUB lobby 1|payload`. */
  get said(): string[] {
    const frames = this.#frames;
    this.#frames = [];
    return frames.map(({ words, payload }) =>
      payload.length === 0 ? words.join(" ") : `${words.join(" ")}|${textOf(payload)}`,
    );
  }

  /** Say frames, all in one piece: `MSG lobby 1 bob 0|payload`. */
  async says(...lines: string[]): Promise<void> {
    const pieces = lines.map((line) => {
      const [words, payload = ""] = line.split(/\|(.*)/s);
      return Buffer.from(
        encodeFrame((words as string).split(" ").filter(Boolean), encodeText(payload)),
      );
    });
    await this.sends(Buffer.concat(pieces));
  }

  async sends(bytes: Uint8Array): Promise<void> {
    this.events.received(bytes);
    await turn();
  }

  /** Let the connection be lost, or end in order. */
  async cut(error: Error | null = new Error("cut")): Promise<void> {
    if (!this.gone) {
      this.gone = true;
      this.events.closed(error);
    }
    await turn();
  }

  async drain(): Promise<void> {
    this.full = false;
    this.events.drained();
    await turn();
  }

  /** Open it, and make the client welcome. */
  async welcome(lastId: bigint | number = 0, more: object = {}): Promise<void> {
    this.events.opened();
    const [hello] = this.said;
    if (!hello?.startsWith("HELLO|")) {
      throw new Error(`no HELLO: ${hello}`);
    }
    const details = {
      v: 1,
      server: "fake",
      max_payload: 1000,
      heartbeat: 30,
      features: [],
      ...more,
    };
    await this.says(`WELCOME alice ${lastId}|${JSON.stringify(details)}`);
  }
}

/** A client, its clock, and the connections that it has tried. */
export class World {
  readonly clock: FakeClock;
  readonly peers: Peer[] = [];
  readonly transport: Transport;
  readonly client: Client;

  constructor(options: Partial<ClientOptions> = {}, clock = new FakeClock()) {
    this.clock = clock;
    this.transport = {
      address: "the test",
      connect: (events) => {
        const peer = new Peer(events);
        this.peers.push(peer);
        return peer;
      },
    };
    this.client = new Client({
      transport: this.transport,
      name: "alice",
      secret: SECRET,
      clock: this.clock,
      jitter: () => 0.5,
      ...options,
    });
  }

  /** The newest connection. */
  get peer(): Peer {
    const peer = this.peers.at(-1);
    if (peer === undefined) {
      throw new Error("there was no attempt to connect");
    }
    return peer;
  }

  /** Connect, and be made welcome. */
  static async connected(options: Partial<ClientOptions> = {}, lastId = 0): Promise<World> {
    const world = new World(options);
    void world.client.connect();
    await world.peer.welcome(lastId);
    return world;
  }

  /** Lose the connection, and be made welcome on the next one. */
  async reconnect(lastId: bigint | number = 0): Promise<void> {
    const { length } = this.peers;
    await this.peer.cut();
    await this.clock.advance(this.clock.next ?? 0);
    if (this.peers.length !== length + 1) {
      throw new Error("it did not connect again");
    }
    await this.peer.welcome(lastId);
  }
}

/** What became of a promise: its value, its error, or "pending". */
export async function outcome<T>(promise: Promise<T>): Promise<T | Error | "pending"> {
  await turn();
  const pending = Symbol();
  const first = await Promise.race([
    promise.catch((error: Error) => error),
    Promise.resolve().then(() => pending),
  ]);
  return first === pending ? "pending" : (first as T | Error);
}
