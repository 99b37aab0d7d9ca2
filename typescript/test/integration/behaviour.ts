/**
 * What a client does with a real server, whatever carries the bytes: one suite for every transport.
 */

import { describe, expect, it, onTestFinished } from "vitest";
import {
  Client,
  type ClientOptions,
  type HistoryPage,
  MemoryOutbox,
  type RoomEvent,
  type Subscription,
  Superseded,
  type Transport,
  Undelivered,
} from "../../src/index.js";
import { netcat, type Server, serve } from "./server.js";

/** Collects a room's messages, and waits for them. */
class Reading {
  readonly events: RoomEvent[] = [];
  readonly room: Subscription;
  #wake: () => void = () => {};

  constructor(client: Client, room: string, options: object = {}) {
    this.room = client.subscribe(room, {
      ...options,
      onEvents: (events) => {
        this.events.push(...events);
        this.#wake();
      },
    });
  }

  get seqs(): number[] {
    return this.events.flatMap((event) => (event.kind === "message" ? [event.message.seq] : []));
  }

  get texts(): (string | null)[] {
    return this.events.flatMap((event) => (event.kind === "message" ? [event.message.text] : []));
  }

  kinds(...kinds: string[]): string[] {
    return this.events
      .filter(({ kind }) => kinds.includes(kind))
      .map(
        (event) =>
          `${event.kind} ${"name" in event ? event.name : "names" in event ? event.names : ""}`,
      );
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function phase(client: Client, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (client.state.phase === wanted) {
        stop();
        resolve();
      }
    };
    const stop = client.on("state", look);
    look();
  });
}

/** Run the suite over a transport. */
export function behaves(name: string, transport: (server: Server) => Transport): void {
  /** Connect a client that is ended with the test. */
  async function connected(server: Server, name: string, more: Partial<ClientOptions> = {}) {
    const client = new Client({ transport: transport(server), name, jitter: () => 0, ...more });
    onTestFinished(() => client.abort());
    await client.connect();
    return client;
  }

  describe(name, () => {
    it("sends, reads, and is read by others", async () => {
      const server = await serve();
      const alice = await connected(server, "alice");
      const bob = await connected(server, "alice");
      expect([alice.name, bob.name]).toEqual(["alice", "alice-2"]);
      const reading = new Reading(bob, "lobby", { presence: true });
      await reading.until(() => reading.kinds("here").length > 0);
      const own = new Reading(alice, "lobby");
      const receipt = await alice.send("lobby", "grüß dich");
      expect(receipt).toMatchObject({ seq: 1, dup: false });
      await bob.send("lobby", Uint8Array.of(0xff, 0));
      await own.until(() => own.seqs.length === 2);
      await reading.until(() => reading.seqs.length === 2);
      expect(reading.texts).toEqual(["grüß dich", null]);
      expect(reading.kinds("here", "join")).toEqual(["here alice-2", "join alice"]);
      expect(await alice.who("lobby")).toEqual({ items: ["alice-2", "alice"], cut: 0 });
      expect((await alice.rooms()).items).toMatchObject([{ room: "lobby", head: 2, members: 2 }]);
      expect(await alice.ping()).toBeGreaterThanOrEqual(0);
      expect(await netcat(server.port, ["SUB lobby from=1"], ["BYE"])).toContain("grüß dich");
      await alice.close();
      await reading.until(() => reading.kinds("part").length > 0);
      expect(alice.state).toEqual({ phase: "ended", reason: null });
    });

    it("carries direct messages, and says when they reach nobody", async () => {
      const server = await serve();
      const [alice, bob] = [await connected(server, "alice"), await connected(server, "bob")];
      const directs = bob.directs()[Symbol.asyncIterator]();
      await alice.send("@bob", "psst");
      expect(await directs.next()).toMatchObject({
        value: { message: { sender: "alice", text: "psst", room: "@bob" } },
      });
      await expect(alice.send("@carol", "hi")).rejects.toBeInstanceOf(Undelivered);
      expect(alice.state.phase).toBe("online");
    });

    it("carries large payloads, both ways, beside small ones", async () => {
      const server = await serve();
      const alice = await connected(server, "alice");
      const reading = new Reading(alice, "lobby");
      const large = Uint8Array.from({ length: 1024 * 1024 }, (_, at) => (at * 31) % 251);
      for (let at = 0; at < 8; at += 1) {
        void alice.send("lobby", large);
        void alice.send("lobby", `small ${at}`);
      }
      await reading.until(() => reading.seqs.length === 16);
      for (const event of reading.events) {
        if (event.kind === "message" && event.message.seq % 2 === 1) {
          expect(Buffer.compare(event.message.payload, large)).toBe(0);
        }
      }
      const over = new Uint8Array(1024 * 1024 + 1);
      await expect(alice.send("lobby", over)).rejects.toMatchObject({ code: "too-large" });
    });

    it("pipes many messages, each stored once and in order", async () => {
      const server = await serve();
      const alice = await connected(server, "alice");
      const reading = new Reading(await connected(server, "bob"), "lobby", { from: 0 });
      const count = 20_000;
      for (let at = 0; at < count; at += 1) {
        void alice.send("lobby", String(at));
        await alice.writable();
      }
      await alice.close();
      await reading.until(() => reading.seqs.length >= count);
      expect(reading.texts).toEqual(Array.from({ length: count }, (_, at) => String(at)));
    });

    it("loses and doubles nothing when the server is killed and started again, again and again", async () => {
      const server = await serve();
      const alice = await connected(server, "alice");
      const bob = await connected(server, "bob");
      const reading = new Reading(bob, "lobby", { from: 0 });
      const count = 600;
      const stored: Promise<unknown>[] = [];
      for (let at = 0; at < count; at += 1) {
        stored.push(alice.send(at % 3 === 0 ? "hall" : "lobby", String(at)));
        if (at % 150 === 75) {
          await stored[at - 20];
          await server.killAndRestart();
          alice.nudge(); // else both wait longer each time, as it befits a server that dies at once
          bob.nudge();
        } else if (at % 10 === 0) {
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      await Promise.all(stored);
      await reading.until(() => reading.seqs.length >= 400);
      const expected = Array.from({ length: count }, (_, at) => at);
      expect(reading.texts).toEqual(expected.filter((at) => at % 3 !== 0).map(String));
      expect(reading.kinds("missed", "replaced")).toEqual([]);
      const hall = await bob.history("hall", { from: 0, count: 1000 });
      expect(hall.messages.map(({ text }) => text)).toEqual(
        expected.filter((at) => at % 3 === 0).map(String),
      );
    });

    it("sends what was left when a server that stopped is back", async () => {
      const server = await serve();
      const alice = await connected(server, "alice");
      await server.stop();
      await phase(alice, "offline");
      const stored = alice.send("lobby", "while away");
      expect(alice.outbox.length).toBe(1);
      await server.start();
      alice.nudge();
      expect(await stored).toMatchObject({ seq: 1, dup: false });
    });

    it("goes on with an outbox of an earlier life", async () => {
      const server = await serve();
      const [outbox, secret] = [new MemoryOutbox(), "a-secret-of-24-letters.."];
      const first = await connected(server, "alice", { outbox, secret });
      await first.send("lobby", "one");
      void first.send("lobby", "two", { key: "two" });
      first.abort(); // nobody knows whether two is stored
      const second = new Client({ transport: transport(server), name: "alice", outbox, secret });
      onTestFinished(() => second.abort());
      expect(second.outbox.map(({ key }) => key)).toEqual(["two"]);
      void second.connect();
      await second.send("lobby", "three");
      const { messages } = await second.history("lobby");
      expect(messages.map(({ text }) => text)).toEqual(["one", "two", "three"]);
      expect(outbox.load()).toEqual([]);
    });

    it("gives way to whoever takes over, and stays away", async () => {
      const server = await serve();
      const secret = "a-secret-of-24-letters..";
      const older = await connected(server, "alice", { secret });
      const newer = await connected(server, "alice", { secret });
      await phase(older, "ended");
      expect(older.state).toMatchObject({ reason: expect.any(Superseded) });
      expect(newer.name).toBe("alice");
      await expect(older.send("lobby", "hi")).rejects.toBeInstanceOf(Superseded);
    });

    it("reads slowly without loss, and without holding it all", async () => {
      const server = await serve();
      const alice = await connected(server, "alice");
      const bob = await connected(server, "bob");
      const room = bob.subscribe("lobby", { from: 0 });
      const iterator = room[Symbol.asyncIterator]();
      await iterator.next(); // subbed
      const count = 200;
      for (let at = 0; at < count; at += 1) {
        void alice.send("lobby", String(at).padEnd(50_000));
      }
      await alice.close();
      await bob.ping(); // all of it was sent to bob, who has read nothing
      await bob.ping();
      expect(room.position).toBeLessThan(60); // of 200, at 50 kB each and 1 MiB unread
      const seen: number[] = [];
      while (seen.length < count) {
        const { value } = await iterator.next();
        if (value?.kind === "message") {
          seen.push(Number(value.message.text));
        }
        expect(value?.kind).not.toBe("missed");
      }
      expect(seen).toEqual(Array.from({ length: count }, (_, at) => at));
      await bob.send("lobby", "still here");
    });

    it("is told what is no longer kept", async () => {
      const server = await serve("--retain", "64k");
      const alice = await connected(server, "alice");
      for (let at = 0; at < 20; at += 1) {
        await alice.send("lobby", "x".repeat(10_000));
      }
      const reading = new Reading(alice, "lobby", { from: 1 });
      await reading.until(() => reading.events.some(({ kind }) => kind === "live"));
      const [missed] = reading.events.filter((event) => event.kind === "missed");
      const first = missed?.kind === "missed" ? missed.last + 1 : 0;
      expect(missed).toMatchObject({ first: 1 });
      expect(reading.seqs).toEqual(Array.from({ length: 21 - first }, (_, at) => at + first));
      const page = await alice.history("lobby", { before: 21, count: 50 });
      expect(page.messages.map(({ seq }) => seq)).toEqual(reading.seqs);
      expect(page.more).toBe(false);
    });

    it("scrolls up through a history, unseen by others, while more is said", async () => {
      const server = await serve();
      const alice = await connected(server, "alice");
      const bob = await connected(server, "bob");
      const watching = new Reading(bob, "lobby", { presence: true });
      await watching.until(() => watching.kinds("here").length > 0);
      const sent = Array.from({ length: 500 }, (_, at) => alice.send("lobby", String(at)));
      await Promise.all(sent);
      const reading = new Reading(alice, "lobby", { last: 20 });
      await reading.until(() => reading.events.some(({ kind }) => kind === "live"));
      await watching.until(() => watching.kinds("join").length > 0);
      const before = watching.kinds("join", "part");
      const older: number[] = [];
      let page: HistoryPage;
      do {
        void bob.send("lobby", "meanwhile");
        page = await alice.history("lobby", { before: older[0] ?? (reading.seqs[0] as number) });
        older.unshift(...page.messages.map(({ seq }) => seq));
      } while (page.more);
      expect(older.length).toBe((reading.seqs[0] as number) - 1);
      await bob.send("lobby", "end");
      await reading.until(() => reading.texts.at(-1) === "end");
      const all = [...older, ...reading.seqs];
      expect(all).toEqual(all.map((_, at) => at + 1));
      expect(all.length).toBeGreaterThan(500);
      expect(watching.kinds("join", "part")).toEqual(before);
    });

    it("is told a refusal in the server's words, and goes on", async () => {
      const server = await serve("--max-payload", "64k");
      const alice = await connected(server, "alice");
      const room = alice.subscribe("lobby");
      const iterator = room[Symbol.asyncIterator]();
      await iterator.next();
      await expect(alice.history("lobby", { from: 7 })).rejects.toMatchObject({
        code: "bad-args",
        reason: expect.stringContaining("from=7 is beyond"),
      });
      const bad = new Client({ transport: transport(server), token: "x".repeat(70_000) });
      await expect(bad.connect()).rejects.toMatchObject({ code: "too-large" });
      expect(bad.state.phase).toBe("ended");
      expect(alice.state.phase).toBe("online");
    });
  });
}
