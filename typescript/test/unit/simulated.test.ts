/**
 * Clients and a small server in memory, cut off at random moments, a thousand times over: what was
 * sent is stored once and in order, and what is stored is read once and in order. Every choice is made by a
 * seed, which a failure names.
 */

import { expect, it } from "vitest";
import { Client, type HistoryPage, type RoomEvent, type Transport } from "../../src/index.js";
import type { ConnectionEvents } from "../../src/transport.js";
import { encodeText, textOf } from "../../src/wire/bytes.js";
import { FrameDecoder } from "../../src/wire/decoder.js";
import { encodeFrame } from "../../src/wire/requests.js";
import { FakeClock, turn } from "./world.js";

type Chance = () => number;

/** A small generator of numbers from 0 to 1 (mulberry32). */
function chances(seed: number): Chance {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Stored {
  seq: number;
  sender: string;
  payload: string;
}

/** What a server keeps over its restarts. */
class Disk {
  readonly rooms = new Map<string, Stored[]>();
  readonly marks = new Map<string, { id: bigint; seq: number }>();

  room(name: string): Stored[] {
    const room = this.rooms.get(name) ?? [];
    this.rooms.set(name, room);
    return room;
  }
}

/** The server's side of one connection: as much of the protocol as the test needs. */
class Session {
  over = false;
  client = "";
  name = "";
  #out: Uint8Array[] = [];
  readonly #decoder = new FrameDecoder();
  readonly #cursors = new Map<string, { next: number; live: number | null }>();

  constructor(
    private readonly disk: Disk,
    private readonly chance: Chance,
    readonly events: ConnectionEvents,
  ) {}

  receive(bytes: Uint8Array): void {
    for (const { words, payload } of this.#decoder.feed(bytes)) {
      this.#execute(words, payload);
    }
  }

  #say(words: string, payload = ""): void {
    this.#out.push(encodeFrame(words.split(" "), encodeText(payload)));
  }

  #execute([verb, room = "", word]: readonly string[], payload: Uint8Array): void {
    const log = this.disk.room(room);
    const head = log.at(-1)?.seq ?? 0;
    if (verb === "HELLO") {
      const said = JSON.parse(textOf(payload) ?? "");
      this.client = said.client;
      this.name = said.name;
      const last = this.disk.marks.get(this.client)?.id ?? 0n;
      this.#say(`WELCOME ${this.name} ${last}`, '{"max_payload":1000}');
    } else if (verb === "PUB") {
      const id = BigInt(word as string);
      const mark = this.disk.marks.get(this.client) ?? { id: 0n, seq: 0 };
      if (id <= mark.id) {
        this.#say(`ACK ${mark.id} ${mark.seq} dup`);
        return;
      }
      const seq = head + 1 + (this.chance() < 0.1 ? 7 : 0);
      log.push({ seq, sender: this.name, payload: textOf(payload) ?? "" });
      this.disk.marks.set(this.client, { id, seq });
      if (this.chance() < 0.7) {
        this.#say(`ACK ${id} ${seq}`); // else a later one stands for it
        return;
      }
      this.#owes = `ACK ${id} ${seq}`;
    } else if (verb === "SUB") {
      const [kind, value] = (word ?? "").split("=");
      const next =
        kind === "from" ? Number(value) : kind === "last" ? head + 1 - Number(value) : head + 1;
      this.#cursors.set(room, { next, live: head });
      this.#say(`SUBBED ${room} ${head}`);
    } else if (verb === "UNSUB") {
      this.#cursors.delete(room);
      this.#say(`UNSUBBED ${room}`);
    } else if (verb === "PING") {
      this.#say("PONG");
    }
  }

  #owes: string | null = null;

  /** Send a little of what there is, in pieces of any size. */
  serve(): void {
    if (this.#owes !== null && this.chance() < 0.5) {
      this.#say(this.#owes);
      this.#owes = null;
    }
    for (const [name, cursor] of this.#cursors) {
      const log = this.disk.room(name);
      for (let most = Math.floor(this.chance() * 6); most > 0; most -= 1) {
        const next = log.find(({ seq }) => seq >= cursor.next);
        if (cursor.live !== null && (next === undefined || next.seq > cursor.live)) {
          this.#say(`LIVE ${name} ${cursor.live}`);
          cursor.live = null;
        } else if (next !== undefined) {
          this.#say(`MSG ${name} ${next.seq} ${next.sender} 5`, next.payload);
          cursor.next = next.seq + 1;
        }
      }
    }
    const bytes = Buffer.concat(this.#out);
    this.#out = [];
    for (let at = 0; at < bytes.length; ) {
      const end = this.chance() < 0.5 ? bytes.length : at + 1 + Math.floor(this.chance() * 300);
      this.events.received(bytes.subarray(at, end));
      at = end;
    }
  }

  /** The connection is lost; what was not read of it may have been. */
  cut(): void {
    if (!this.over) {
      this.over = true;
      this.events.closed(new Error("cut"));
    }
  }
}

async function run(seed: number): Promise<void> {
  const chance = chances(seed);
  const clock = new FakeClock();
  const disk = new Disk();
  let sessions: Session[] = [];
  const transport: Transport = {
    address: "the simulation",
    connect: (events) => {
      const session = new Session(disk, chance, events);
      const inbound: Uint8Array[] = [];
      sessions.push(session);
      clock.setTimeout(() => session.over || events.opened(), 1);
      return {
        send: (bytes) => {
          inbound.push(bytes);
          clock.setTimeout(() => {
            const next = inbound.shift() as Uint8Array;
            // What is on its way when a connection is cut may have arrived, or not.
            if (!session.over || chance() < 0.3) {
              session.receive(next);
            } else {
              inbound.length = 0;
            }
          }, 1);
          return true;
        },
        close: () => session.cut(),
        abort: () => session.cut(),
      };
    },
  };
  const clients = ["alice", "bob"].map(
    (name) =>
      new Client({ transport, name, secret: name.padEnd(16, "-"), clock, jitter: () => chance() }),
  );
  const [alice, bob] = clients as [Client, Client];
  const seen: RoomEvent[] = [];
  alice.subscribe("lobby", { from: 0, onEvents: (events) => seen.push(...events) });
  const iterator = bob.subscribe("lobby", { from: 0 })[Symbol.asyncIterator]();
  const iterated: number[] = [];
  void (async () => {
    for (;;) {
      const { value, done } = await iterator.next();
      if (done) {
        return;
      }
      if (value?.kind === "message") {
        iterated.push(value.message.seq);
      }
    }
  })();
  for (const client of clients) {
    void client.connect();
  }
  const sent: Record<string, string[]> = { alice: [], bob: [] };
  const receipts: Promise<unknown>[] = [];
  const pages: Promise<HistoryPage>[] = [];
  const step = async () => {
    for (const session of sessions) {
      if (!session.over) {
        session.serve();
      }
    }
    sessions = sessions.filter(({ over }) => !over);
    await clock.advance(1 + Math.floor(chance() * 3));
  };
  for (let at = 0; at < 120; at += 1) {
    const roll = chance();
    const client = clients[Math.floor(chance() * 2)] as Client;
    if (roll < 0.4) {
      const [room, text] = [chance() < 0.8 ? "lobby" : "hall", `${client.name} ${at}`];
      sent[client.name as string]?.push(`${room} ${text}`);
      receipts.push(client.send(room, text));
    } else if (roll < 0.47) {
      const live = sessions.filter(({ over }) => !over);
      live[Math.floor(chance() * live.length)]?.cut();
      await clock.advance(chance() < 0.5 ? 0 : 2000);
    } else if (roll < 0.52) {
      const before = 1 + Math.floor(chance() * 30);
      pages.push(client.history("lobby", { before, count: 1 + Math.floor(chance() * 5) }));
    }
    await step();
  }
  for (let at = 0; at < 2000 && (alice.outbox.length > 0 || bob.outbox.length > 0); at += 1) {
    await step();
    await clock.advance(20);
  }
  await Promise.all(receipts);
  for (const client of clients) {
    client.nudge(); // one that lost its connection again and again may wait for half a minute
  }
  for (let at = 0; at < 300; at += 1) {
    await step();
    await clock.advance(20);
  }
  for (const client of clients) {
    const stored = ["lobby", "hall"].flatMap((room) =>
      disk
        .room(room)
        .filter(({ sender }) => sender === client.name)
        .map(({ payload }) => `${room} ${payload}`),
    );
    const order = (room: string) => (each: string) => each.startsWith(room);
    for (const room of ["lobby", "hall"]) {
      expect(stored.filter(order(room)), `seed ${seed}: what ${client.name} sent`).toEqual(
        sent[client.name as string]?.filter(order(room)),
      );
    }
  }
  const log = disk.room("lobby").map(({ seq }) => seq);
  const handed = seen.flatMap((event) => (event.kind === "message" ? [event.message.seq] : []));
  expect(handed, `seed ${seed}: handed over`).toEqual(log);
  expect(iterated, `seed ${seed}: iterated`).toEqual(log);
  for (const { messages } of await Promise.all(pages)) {
    const first = log.indexOf(messages[0]?.seq ?? -1);
    const found = messages.map(({ seq }) => seq);
    if (found.length > 0) {
      expect(found, `seed ${seed}: a page`).toEqual(log.slice(first, first + found.length));
    }
  }
  for (const client of clients) {
    client.abort();
  }
  await turn();
  expect(clock.waiting, `seed ${seed}: timers`).toBe(0);
}

const SEEDS = Number(process.env.SEEDS ?? 100);
const FIRST = Number(process.env.SEED ?? 1);

it(`${SEEDS} histories from seed ${FIRST} on lose and double nothing`, async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    await run(seed);
  }
});
