/** The client on connections in memory: introduction, sending, retries, heartbeats, ends. */

import { describe, expect, it, vi } from "vitest";
import {
  CannotConnect,
  Client,
  type ClientError,
  Disconnected,
  MemoryOutbox,
  NotUnderstood,
  Refused,
  type State,
  Superseded,
  TimedOut,
  Undelivered,
} from "../../src/index.js";
import { FLIGHT_MESSAGES } from "../../src/outbox.js";
import { FakeClock, outcome, SECRET, turn, World } from "./world.js";

function phases(world: World): string[] {
  const seen: string[] = [];
  world.client.on("state", (state) => seen.push(state.phase));
  return seen;
}

function reason(world: World): ClientError | null {
  const { state } = world.client;
  if (state.phase !== "offline" && state.phase !== "ended") {
    throw new Error(`there is no reason to be ${state.phase}`);
  }
  return state.reason;
}

describe("introduction", () => {
  it("says HELLO with name and secret, and nothing more before WELCOME", async () => {
    const world = new World({ token: "proof" });
    const welcome = world.client.connect();
    void world.client.send("lobby", "hi");
    world.client.subscribe("lobby");
    world.peer.events.opened();
    await turn();
    expect(world.peer.said).toEqual([
      `HELLO|{"v":1,"name":"alice","client":"${SECRET}","token":"proof"}`,
    ]);
    expect(await outcome(welcome)).toBe("pending");
    await world.peer.says('WELCOME alice-2 0|{"max_payload":1000,"server":"x"}');
    expect(world.peer.said).toEqual(["SUB lobby", "PUB lobby 1|hi"]);
    expect(await outcome(welcome)).toBeUndefined();
    expect(world.client.name).toBe("alice-2");
    expect(world.client.state).toMatchObject({ phase: "online", name: "alice-2" });
  });

  it("draws a secret that nobody guesses", () => {
    const transport = { address: "x", connect: () => expect.unreachable() };
    const [one, two] = [new Client({ transport }), new Client({ transport })];
    expect(one?.secret).toMatch(/^[0-9a-f]{32}$/);
    expect(one?.secret).not.toBe(two?.secret);
    const entropy = (count: number) => new Uint8Array(count).fill(0xab);
    expect(new Client({ transport, entropy }).secret).toBe("ab".repeat(16));
    expect(new Client({ transport: { ...transport, entropy } }).secret).toBe("ab".repeat(16));
    vi.stubGlobal("crypto", undefined);
    expect(() => new Client({ transport })).toThrow(/give `secret`, or `entropy`/);
    vi.unstubAllGlobals();
  });

  it.each([
    [{ name: "al*ce" }, /a name is 1 to 24/],
    [{ name: "" }, /a name is 1 to 24/],
    [{ secret: "short" }, /a secret is 16 to 64/],
  ])("refuses %j", (options, told) => {
    expect(() => new World(options)).toThrow(told);
  });

  it.each([
    ["version", "ERR version HELLO|this server speaks version 1", true],
    ["unauthorized", "ERR unauthorized HELLO|no", true],
    ["bad-name", "ERR bad-name HELLO|a name is", true],
    ["busy", "ERR busy HELLO|later", false],
    ["busy", "|!ERROR! busy all 2 places are taken", false],
    ["timeout", "|!ERROR! timeout the first frame came too late", false],
    ["bad-header", "|!ERROR! bad-header this server speaks plain frames alone", true],
  ])("takes a refusal with %s: %s", async (code, line, final) => {
    const world = new World();
    const welcome = world.client.connect();
    world.peer.events.opened();
    await world.peer.says(line);
    expect(world.peer.closing).toBe(true);
    await world.peer.cut(null);
    expect(reason(world)).toBeInstanceOf(Refused);
    expect(reason(world)).toMatchObject({ code, final });
    expect(world.client.state.phase).toBe(final ? "ended" : "offline");
    expect(await outcome(welcome)).toEqual(final ? reason(world) : "pending");
    expect(world.clock.waiting).toBe(final ? 0 : 1);
  });

  it("does not go on where no frames are spoken", async () => {
    const world = new World();
    void world.client.connect();
    world.peer.events.opened();
    await world.peer.sends(Buffer.from("HTTP/1.1 400 Bad Request\r\n".padEnd(200, "x")));
    await world.peer.cut();
    expect(reason(world)).toBeInstanceOf(NotUnderstood);
    expect(reason(world)?.message).toMatch(/an HTTP server answers there: use webSocket\(\)/);
    expect(world.client.state.phase).toBe("ended");
  });

  it("does not wait for ever for WELCOME, or for the connection", async () => {
    const world = new World();
    void world.client.connect();
    await world.clock.advance(29_999);
    expect(world.client.state.phase).toBe("connecting");
    await world.clock.advance(1);
    expect(reason(world)).toBeInstanceOf(CannotConnect);
    await world.clock.advance(1000);
    world.peer.events.opened();
    await world.clock.advance(30_000);
    expect(reason(world)).toBeInstanceOf(TimedOut);
    expect(reason(world)?.message).toMatch(/did not answer HELLO within 30 s/);
  });

  it("tells an attempt that cannot even begin like any other", async () => {
    const world = new World();
    world.transport.connect = () => {
      throw new Error("this page may not connect there");
    };
    void world.client.connect();
    await world.clock.advance(0);
    expect(reason(world)?.message).toBe(
      "cannot connect to the test: this page may not connect there",
    );
    expect(world.client.state.phase).toBe("offline");
  });
});

describe("connecting again", () => {
  it("waits longer each time, spread by chance, and not for ever", async () => {
    const chances = [0, 1, 0.5];
    const world = new World({ jitter: () => chances.shift() ?? 0.5 });
    const seen = phases(world);
    void world.client.connect();
    const waits: (number | null)[] = [];
    for (let at = 0; at < 10; at += 1) {
      await world.peer.cut(new Error("connection refused"));
      waits.push(world.clock.next);
      const { state } = world.client;
      expect(state).toMatchObject({
        phase: "offline",
        retryAt: world.clock.now() + (world.clock.next ?? 0),
      });
      await world.clock.advance(world.clock.next ?? 0);
    }
    expect(waits).toEqual([250, 1500, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 30000]);
    expect(seen.slice(0, 4)).toEqual(["connecting", "offline", "connecting", "offline"]);
    expect(world.client.state).toEqual({ phase: "connecting", attempt: 11 });
  });

  it("begins anew only when a connection has lasted", async () => {
    const world = await World.connected();
    const lose = async (): Promise<number | null> => {
      await world.peer.cut();
      const wait = world.clock.next;
      await world.clock.advance(wait ?? 0);
      await world.peer.welcome();
      return wait;
    };
    expect([await lose(), await lose(), await lose()]).toEqual([500, 1000, 2000]);
    await world.clock.advance(10_000);
    expect(await lose()).toBe(500);
  });

  it("gives up after so many attempts, if that is asked for", async () => {
    const world = new World();
    const welcome = world.client.connect({ attempts: 2 });
    await world.peer.cut(new Error("connection refused"));
    expect(world.client.state.phase).toBe("offline");
    await world.clock.advance(1000);
    await world.peer.cut(new Error("connection refused"));
    expect(await outcome(welcome)).toMatchObject({
      code: "unreachable",
      message: "cannot connect to the test: connection refused",
    });
    expect(world.client.state.phase).toBe("ended");
    expect(world.clock.waiting).toBe(0);
    await expect(world.client.send("lobby", "hi")).rejects.toBeInstanceOf(CannotConnect);
    expect(() => world.client.subscribe("lobby")).toThrow(CannotConnect);
    await expect(world.client.who("lobby")).rejects.toBeInstanceOf(CannotConnect);
    await expect(world.client.history("lobby")).rejects.toBeInstanceOf(CannotConnect);
    await expect(world.client.connect()).rejects.toBeInstanceOf(CannotConnect);
  });

  it("can be hurried, and asked to look whether the server is there", async () => {
    const world = new World();
    void world.client.connect();
    await world.peer.cut();
    world.client.nudge();
    expect(world.client.state.phase).toBe("connecting");
    await world.peer.welcome();
    world.client.nudge();
    world.client.nudge();
    expect(world.peer.said).toEqual(["PING", "PING"]);
    await world.peer.says("PONG", "PONG");
    await world.clock.advance(10_000);
    expect(world.client.state.phase).toBe("online");
    world.client.nudge();
    await world.clock.advance(10_000);
    expect(reason(world)?.message).toBe("the server did not answer within 10 s");
  });

  it("takes the answer to one question for no other's", async () => {
    const world = await World.connected();
    world.client.nudge();
    world.client.nudge();
    expect(world.peer.said).toEqual(["PING", "PING"]);
    await world.peer.says("PONG"); // on its way, maybe, before the second time
    await world.clock.advance(10_000);
    expect(reason(world)?.message).toBe("the server did not answer within 10 s");
  });

  it("takes the answer to the heartbeat for no other's, either", async () => {
    const world = await World.connected();
    await world.clock.advance(60_000);
    world.client.nudge();
    expect(world.peer.said).toEqual(["PING", "PING"]);
    await world.peer.says("PONG");
    await world.clock.advance(10_000);
    expect(reason(world)?.message).toBe("the server did not answer within 10 s");
  });

  it("takes nothing but an answer for one, but waits while something comes", async () => {
    const world = await World.connected();
    world.client.nudge();
    await world.clock.advance(9000);
    await world.peer.says("PING"); // on its way, maybe, before this was asked
    await world.clock.advance(9999);
    expect(world.client.state.phase).toBe("online");
    await world.clock.advance(1);
    expect(reason(world)?.message).toBe("the server did not answer within 10 s");
  });

  it("does not wait for long when it was hurried during an attempt that fails", async () => {
    const world = new World();
    void world.client.connect();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await world.peer.cut();
      waits.push((world.client.state as State & { phase: "offline" }).retryAt - world.clock.now());
      await world.clock.advance(waits.at(-1) as number);
    }
    expect(waits.at(-1)).toBeGreaterThan(10_000);
    world.client.nudge(); // the network is back
    await world.peer.cut();
    expect(
      (world.client.state as State & { phase: "offline" }).retryAt - world.clock.now(),
    ).toBeLessThan(1000);
  });

  it("is not given up soon while much waits to be sent", async () => {
    const world = await World.connected();
    world.peer.full = true;
    void world.client.send("lobby", "x".repeat(1000));
    await turn();
    world.client.nudge();
    await world.clock.advance(20_000);
    expect(world.client.state.phase).toBe("online");
    await world.peer.drain();
    world.client.nudge();
    await world.clock.advance(10_000);
    expect(reason(world)).toBeInstanceOf(TimedOut);
  });

  it("counts the attempts since there was a connection", async () => {
    const world = await World.connected();
    await world.peer.cut();
    await world.clock.advance(500);
    expect(world.client.state).toEqual({ phase: "connecting", attempt: 1 });
    await world.peer.cut();
    await world.clock.advance(1000);
    expect(world.client.state).toEqual({ phase: "connecting", attempt: 2 });
  });

  it("connects once, however often it is told to", async () => {
    const world = await World.connected();
    await world.client.connect();
    expect(world.peers.length).toBe(1);
  });
});

describe("staying alive", () => {
  it("answers PING, with its token", async () => {
    const world = await World.connected();
    await world.peer.says("PING", "PING abc", "PING x|and a payload");
    expect(world.peer.said).toEqual(["PONG", "PONG abc", "PONG x"]);
  });

  it("asks a silent server, and gives it up after 90 s", async () => {
    const world = await World.connected();
    await world.clock.advance(59_999);
    expect(world.peer.said).toEqual([]);
    await world.clock.advance(1);
    expect(world.peer.said).toEqual(["PING"]);
    await world.peer.says("PONG");
    await world.clock.advance(90_000);
    expect(world.peer.said).toEqual(["PING", "PING"]);
    expect(world.client.state.phase).toBe("online");
    await world.clock.advance(30_000);
    expect(reason(world)).toBeInstanceOf(TimedOut);
    expect(world.peers[0]?.gone).toBe(true);
  });

  it("takes an upload that goes on for life, however slow the line is", async () => {
    const world = new World();
    void world.client.connect();
    await world.peer.welcome(0, { max_payload: 2_000_000 });
    void world.client.send("lobby", new Uint8Array(1_000_000)).catch(() => {});
    await turn();
    expect(world.peer.said.length).toBe(1);
    world.peer.waiting = 1_000_000;
    for (let seconds = 0; seconds < 240; seconds += 1) {
      if (seconds % 35 === 0) {
        world.client.nudge(); // somebody looks at the page
      }
      world.peer.waiting -= 4096;
      await world.clock.advance(1000);
    }
    expect(world.peer.said.every((each) => each === "PING")).toBe(true);
    world.peer.waiting = 0;
    await world.clock.advance(60_000);
    expect(world.client.state.phase).toBe("online");
    await world.peer.says("ACK 1 1");
    expect(world.peers.length).toBe(1);
  });

  it("gives up an upload that stands still, and says so", async () => {
    const world = new World();
    void world.client.connect();
    await world.peer.welcome(0, { max_payload: 2_000_000 });
    void world.client.send("lobby", new Uint8Array(1_000_000)).catch(() => {});
    await turn();
    world.peer.waiting = 900_000;
    await world.clock.advance(119_999);
    expect(world.client.state.phase).toBe("online");
    await world.clock.advance(1);
    expect(reason(world)).toBeInstanceOf(TimedOut);
    expect(reason(world)?.message).toBe(
      "the server took nothing of what was sent to it for 90 s, and 900256 bytes wait: see to the " +
        "network, and to the server's machine",
    );
  });

  it("keeps no more than 512 answers for a server that does not read", async () => {
    const world = await World.connected();
    world.peer.full = true;
    await world.peer.says(...Array.from({ length: 1000 }, () => "PING"));
    expect(world.peer.said.length).toBe(513);
    await world.peer.drain();
    await world.peer.says("PING");
    expect(world.peer.said).toEqual(["PONG"]);
  });
});

describe("sending", () => {
  it("resolves when it is stored, with the number if it is told", async () => {
    const world = await World.connected();
    const receipts: unknown[] = [];
    world.client.on("stored", (receipt) => receipts.push(receipt));
    const [one, two] = [world.client.send("lobby", "one"), world.client.send("hall", "two")];
    await turn();
    expect(world.peer.said).toEqual(["PUB lobby 1|one", "PUB hall 2|two"]);
    expect(await outcome(one)).toBe("pending");
    await world.peer.says("ACK 2 9");
    expect(await one).toMatchObject({ room: "lobby", seq: null, dup: false });
    expect(await two).toMatchObject({ room: "hall", seq: 9, dup: false });
    expect(receipts).toEqual([await one, await two]);
    expect(world.client.outbox).toEqual([]);
  });

  it("sends bytes as they were when it was called", async () => {
    const world = await World.connected();
    for (const bytes of [Uint8Array.of(65), Buffer.of(65)]) {
      void world.client.send("lobby", bytes);
      bytes.fill(66);
    }
    await turn();
    expect(world.peer.said).toEqual(["PUB lobby 1|A", "PUB lobby 2|A"]);
  });

  it("shows what is owed, in arrays that change only when it does", async () => {
    const world = new World();
    const empty = world.client.outbox;
    void world.client.send("lobby", "one", { key: "k1" });
    const one = world.client.outbox;
    expect(one).toMatchObject([{ key: "k1", room: "lobby", sent: false, time: world.clock.now() }]);
    expect(world.client.outbox).toBe(one);
    expect(one).not.toBe(empty);
    expect(() => world.client.send("lobby", "again", { key: "k1" })).toThrow(RangeError);
    void world.client.connect();
    await world.peer.welcome();
    const sent = world.client.outbox;
    expect(sent).toMatchObject([{ key: "k1", sent: true }]);
    await world.peer.says("PING", "HERE lobby|[]");
    expect(world.client.outbox).toBe(sent);
  });

  it("sends again what is not acknowledged, with the same ids, in order", async () => {
    const world = await World.connected();
    const all = ["one", "two", "three"].map((text) => world.client.send("lobby", text));
    await turn();
    await world.peer.says("ACK 1 1");
    await world.reconnect(2);
    expect(await outcome(all[1] as Promise<unknown>)).toMatchObject({ seq: null, dup: true });
    expect(world.peer.said).toEqual(["PUB lobby 3|three"]);
    await world.reconnect(2);
    void world.client.send("lobby", "four");
    await turn();
    expect(world.peer.said).toEqual(["PUB lobby 3|three", "PUB lobby 4|four"]);
    await world.peer.says("ACK 4 4 dup");
    expect(await outcome(all[2] as Promise<unknown>)).toMatchObject({ dup: true });
  });

  it("chooses ids above what the server has received from this client, over 2^53 too", async () => {
    const world = new World();
    void world.client.send("lobby", "hi");
    void world.client.connect();
    await world.peer.welcome(1_700_000_000_000_000_001n);
    expect(world.peer.said).toEqual(["PUB lobby 1700000000000000002|hi"]);
  });

  it("has ids to the last one, and says when there are none left", async () => {
    const world = new World();
    void world.client.connect();
    await world.peer.welcome(9223372036854775806n);
    void world.client.send("lobby", "last");
    await turn();
    expect(world.peer.said).toEqual(["PUB lobby 9223372036854775807|last"]);
    expect(() => world.client.send("lobby", "over")).toThrow(/no ids left/);
    const other = new World();
    void other.client.send("lobby", "over");
    void other.client.connect();
    await other.peer.welcome(9223372036854775807n);
    await other.peer.cut();
    expect(reason(other)).toMatchObject({ code: "no-ids", final: true });
  });

  it("gives up a refused message, and goes on with the next at once", async () => {
    const world = await World.connected();
    const refused: unknown[] = [];
    world.client.on("refused", (refusal) => refused.push(refusal));
    const [one, two] = [world.client.send("lobby", "one"), world.client.send("lobby", "two")];
    await turn();
    await world.peer.says("ERR bad-room PUB 1|no such room");
    expect(await outcome(one)).toMatchObject({ code: "bad-room", reason: "no such room" });
    expect(refused).toMatchObject([{ room: "lobby", error: { code: "bad-room" } }]);
    expect(world.peer.closing).toBe(true);
    await world.peer.cut(null);
    expect(world.clock.next).toBe(0);
    await world.clock.advance(0);
    await world.peer.welcome(0);
    expect(world.peer.said).toEqual(["PUB lobby 2|two"]);
    await world.peer.says("ACK 2 1");
    expect(await outcome(two)).toMatchObject({ seq: 1 });
  });

  it("takes a refusal of what it has not sent for no reason to hurry", async () => {
    const world = await World.connected();
    void world.client.send("lobby", "one");
    await turn();
    await world.peer.says("ERR bad-room PUB 7|whose?");
    await world.peer.cut(null);
    expect(world.clock.next).toBe(500);
    expect(world.client.outbox.length).toBe(1);
  });

  it("waits anew from the beginning behind a refusal: the server is well", async () => {
    const world = await World.connected();
    await world.reconnect();
    await world.reconnect();
    void world.client.send("lobby", "one");
    await turn();
    await world.peer.says("ERR bad-room PUB 1|no such room");
    await world.reconnect();
    await world.peer.cut();
    expect(world.clock.next).toBe(500);
  });

  it("takes no refusal for what was not sent", async () => {
    const world = await World.connected();
    world.peer.full = true;
    void world.client.send("lobby", "one");
    await turn();
    void world.client.send("lobby", "two", { key: "two" });
    await world.peer.says("ERR bad-room PUB 2|no such room");
    expect(world.client.outbox.map(({ key }) => key)).toContain("two");
  });

  it("takes what is too large, without an id, for the oldest", async () => {
    const world = await World.connected();
    const one = world.client.send("lobby", "one");
    await turn();
    await world.peer.says("ERR too-large PUB|a message of 3 bytes is over the limit of 2");
    expect(await outcome(one)).toMatchObject({ code: "too-large" });
  });

  it("does not send what is over the server's limit", async () => {
    const world = await World.connected();
    expect(await outcome(world.client.send("lobby", "x".repeat(1001)))).toMatchObject({
      code: "too-large",
      reason:
        "a message of 1001 bytes is over this server's limit of 1000: send it in smaller ones",
    });
    expect(world.client.outbox).toEqual([]);
  });

  it("keeps everything while the server's disk is full", async () => {
    const world = await World.connected();
    const one = world.client.send("lobby", "one");
    await turn();
    await world.peer.says("ERR busy PUB|the disk is full");
    expect(world.client.refusal).toMatchObject({ code: "busy", reason: "the disk is full" });
    await world.reconnect(0);
    expect(world.peer.said).toEqual(["PUB lobby 1|one"]);
    expect(world.client.refusal).not.toBeNull();
    await world.peer.says("ACK 1 5");
    expect(await outcome(one)).toMatchObject({ seq: 5 });
    expect(world.client.refusal).toBeNull();
  });

  it("tells that a direct message reached nobody, before its ACK and behind it", async () => {
    const world = await World.connected();
    const refused: ClientError[] = [];
    world.client.on("refused", ({ error }) => refused.push(error));
    const one = world.client.send("@bob", "one");
    await turn();
    await world.peer.says("ERR absent PUB 1|nobody called bob", "ACK 1 7");
    expect(await outcome(one)).toBeInstanceOf(Undelivered);
    const two = world.client.send("@bob", "two");
    await turn();
    await world.peer.says("ACK 2 8", "ERR busy PUB 2|bob does not read", "ERR busy PUB 2|again");
    expect(await outcome(two)).toMatchObject({ seq: 8 });
    expect(refused.map(({ code }) => code)).toEqual(["absent", "busy"]);
    expect(world.client.state.phase).toBe("online");
  });

  it("does not report a direct message as received if its outcome was lost", async () => {
    const world = await World.connected();
    const refused: ClientError[] = [];
    world.client.on("refused", ({ error }) => refused.push(error));
    const stored: string[] = [];
    world.client.on("stored", ({ room }) => stored.push(room));
    const direct = world.client.send("@bob", "one");
    const room = world.client.send("lobby", "two");
    const later = world.client.send("@bob", "three");
    await turn();
    await world.reconnect(2);
    expect(await outcome(direct)).toBeInstanceOf(Undelivered);
    expect(await outcome(direct)).toMatchObject({ code: "unknown" });
    expect(await outcome(room)).toMatchObject({ dup: true });
    expect(await outcome(later)).toBe("pending");
    expect(world.peer.said).toEqual(["PUB @bob 3|three"]);
    await world.peer.says("ERR unknown PUB 3|ask bob", "ACK 3 0 dup");
    expect(await outcome(later)).toMatchObject({ code: "unknown", message: "ask bob" });
    const fourth = world.client.send("@bob", "four");
    await turn();
    await world.peer.says("ACK 4 0 dup", "ERR unknown PUB 4|ask bob");
    expect(await outcome(fourth)).toMatchObject({ code: "unknown" });
    expect(refused.map(({ code }) => code)).toEqual(["unknown", "unknown", "unknown"]);
    expect(stored).toEqual(["lobby"]);
    expect(world.client.state.phase).toBe("online");
  });

  it("takes back what was never handed over", async () => {
    const world = new World();
    const one = world.client.send("lobby", "one", { key: "one" });
    void world.client.send("lobby", "two", { key: "two" });
    expect(world.client.discard("one")).toBe(true);
    expect(world.client.discard("one")).toBe(false);
    expect(await outcome(one)).toMatchObject({ code: "discarded" });
    void world.client.connect();
    await world.peer.welcome();
    expect(world.peer.said).toEqual(["PUB lobby 1|two"]);
    expect(world.client.discard("two")).toBe(false);
  });

  it("keeps a bounded number on its way, and asks senders to wait", async () => {
    const world = await World.connected();
    for (let at = 0; at < FLIGHT_MESSAGES + 10; at += 1) {
      void world.client.send("lobby", "x");
    }
    await turn();
    expect(world.peer.said.length).toBe(FLIGHT_MESSAGES);
    await world.peer.says("ACK 5 5");
    expect(world.peer.said.length).toBe(5);
    expect(await outcome(world.client.writable())).toBeUndefined();
    const large = new Uint8Array(1000);
    for (let at = 0; at < 8 * 1024; at += 1) {
      void world.client.send("lobby", large);
    }
    const writable = world.client.writable();
    expect(await outcome(writable)).toBe("pending");
    await world.peer.says(`ACK ${FLIGHT_MESSAGES + 10} 9`);
    expect(await outcome(writable)).toBe("pending");
    for (let id = 4200; id < 12_000; id += 500) {
      await world.peer.says(`ACK ${id} ${id}`);
    }
    expect(await outcome(writable)).toBeUndefined();
  });

  it("sends nothing more while the transport is full", async () => {
    const world = await World.connected();
    world.peer.full = true;
    void world.client.send("lobby", "one");
    await turn();
    void world.client.send("lobby", "two");
    await turn();
    expect(world.peer.said).toEqual(["PUB lobby 1|one"]);
    await world.peer.says("ACK 1 1"); // an ACK does not say that there is room
    expect(world.peer.said).toEqual([]);
    await world.peer.drain();
    expect(world.peer.said).toEqual(["PUB lobby 2|two"]);
  });

  it.each(["", "a/b", "@", "@al*ce", "x".repeat(33), "lobby\n"])("refuses %j as a room", (room) => {
    expect(() => new World().client.send(room, "hi")).toThrow(RangeError);
  });

  it("is not ended by a notice of what it has forgotten", async () => {
    const world = await World.connected();
    void world.client.send("@bob", "hi");
    await turn();
    await world.peer.says("ACK 1 1", "ERR absent PUB 1|nobody", "ERR absent PUB 1|nobody");
    expect([world.client.state.phase, world.peer.closing]).toEqual(["online", false]);
  });

  it("does not take an ACK for what it has not sent", async () => {
    const world = await World.connected();
    world.peer.full = true;
    void world.client.send("lobby", "one");
    await turn();
    const two = world.client.send("lobby", "two");
    await world.peer.says("ACK 9223372036854775807 1");
    expect(await outcome(two)).toBe("pending");
  });
});

describe("an outbox that outlives the client", () => {
  it("is sent by the next one, with the same ids", async () => {
    const store = new MemoryOutbox();
    const first = await World.connected({ outbox: store });
    void first.client.send("lobby", "one", { key: "a" });
    void first.client.send("lobby", "two", { key: "b" });
    await turn();
    first.client.abort();

    const second = new World({ outbox: store });
    expect(second.client.outbox).toMatchObject([{ key: "a" }, { key: "b" }]);
    void second.client.send("lobby", "three", { key: "c" });
    const stored: string[] = [];
    second.client.on("stored", ({ key, dup }) => stored.push(`${key} ${dup}`));
    void second.client.connect();
    await second.peer.welcome(1);
    expect(stored).toEqual(["a true"]);
    expect(second.peer.said).toEqual(["PUB lobby 2|two", "PUB lobby 3|three"]);
    await second.peer.says("ACK 3 3");
    expect(stored).toEqual(["a true", "b false", "c false"]);
    expect(store.load()).toEqual([]);
  });

  it("gives no new message an id that an older one may have had", async () => {
    const store = new MemoryOutbox();
    store.put({ key: "a", room: "lobby", payload: Uint8Array.of(65), time: 0, id: 7n });
    const world = new World({ outbox: store });
    void world.client.connect();
    await world.peer.welcome(0); // the server knows nothing of this client any more
    void world.client.send("lobby", "B");
    await turn();
    expect(world.peer.said).toEqual(["PUB lobby 7|A", "PUB lobby 8|B"]);
  });

  it("is of no harm when it cannot keep anything", async () => {
    const fail = () => {
      throw new Error("the place is full");
    };
    const world = await World.connected({ outbox: { load: fail, put: fail, remove: fail } });
    expect(world.client.storeError?.message).toBe("the place is full");
    const one = world.client.send("lobby", "one");
    await turn();
    await world.peer.says("ACK 1 1");
    expect(await outcome(one)).toMatchObject({ seq: 1 });
  });

  it("is given up to a program that has sent with the same secret meanwhile", async () => {
    const world = await World.connected();
    const one = world.client.send("lobby", "one");
    await turn();
    await world.peer.cut();
    const two = world.client.send("lobby", "two");
    await world.clock.advance(500);
    await world.peer.welcome(2); // this client has sent 1 at most
    expect(world.peer.closing).toBe(true);
    await world.peer.cut();
    expect(await outcome(one)).toBeInstanceOf(Superseded);
    expect(await outcome(two)).toBeInstanceOf(Superseded);
    expect(world.client.state.phase).toBe("ended");
  });
});

describe("asking", () => {
  it("has the answers, whatever comes between", async () => {
    const world = await World.connected();
    const who = world.client.who("lobby");
    const rooms = world.client.rooms();
    const ping = world.client.ping();
    expect(world.peer.said).toEqual(["WHO lobby", "ROOMS", "PING 1"]);
    await world.clock.advance(40);
    await world.peer.says(
      'HERE hall|["carol"]',
      'HERE lobby cut=2|["alice","bob"]',
      'ROOMS|[{"room":"lobby","head":3,"members":1}]',
      "PONG 1",
    );
    expect(await who).toEqual({ items: ["alice", "bob"], cut: 2 });
    expect(await rooms).toMatchObject({ items: [{ room: "lobby", head: 3 }], cut: 0 });
    expect(await ping).toBe(40);
  });

  it("asks again on the next connection, and tells a refusal", async () => {
    const world = await World.connected();
    const who = world.client.who("lobby");
    await world.reconnect();
    expect(world.peer.said).toEqual(["WHO lobby"]);
    await world.peer.says("ERR forbidden WHO lobby|you may not");
    expect(await outcome(who)).toMatchObject({ code: "forbidden" });
  });

  it("refuses what cannot be a room", async () => {
    await expect(new World().client.who("a/b")).rejects.toThrow(RangeError);
  });
});

describe("ends", () => {
  it("superseded, it does not come back, and tells everybody", async () => {
    const world = await World.connected();
    const sent = world.client.send("lobby", "hi");
    const who = world.client.who("lobby");
    const events: unknown[] = [];
    world.client.subscribe("lobby", { onEvents: (more) => events.push(...more) });
    const page = world.client.history("hall");
    const directs = world.client.directs()[Symbol.asyncIterator]().next();
    await turn();
    await world.peer.says("ERR superseded|another connection goes on");
    await world.peer.cut(null);
    for (const waiting of [sent, who, page, directs]) {
      expect(await outcome<unknown>(waiting)).toBeInstanceOf(Superseded);
    }
    expect(events).toMatchObject([{ kind: "ended", error: { code: "superseded" } }]);
    expect(world.client.state).toMatchObject({ phase: "ended", reason: { final: true } });
    expect(world.clock.waiting).toBe(0);
    await world.clock.advance(120_000);
    expect(world.peers.length).toBe(1);
  });

  it("after BYE it reads on, says BYE, and connects again", async () => {
    const world = await World.connected();
    const sent = world.client.send("lobby", "hi");
    await turn();
    await world.peer.says("BYE|the server stops: reconnect", "ACK 1 1");
    expect(await outcome(sent)).toMatchObject({ seq: 1 });
    expect(world.peer.said).toEqual(["PUB lobby 1|hi", "BYE"]);
    expect(world.client.state.phase).toBe("online");
    await world.clock.advance(10_000);
    expect(reason(world)?.message).toBe("the server stops: reconnect");
    expect(world.client.state.phase).toBe("offline");
  });

  it("closes when all is stored, with BYE", async () => {
    const world = await World.connected();
    const sent = world.client.send("lobby", "hi");
    const closed = world.client.close();
    const late = world.client.send("lobby", "late");
    expect(await outcome(late)).toMatchObject({ code: "closed" });
    expect(world.client.state.phase).toBe("closing");
    expect(world.peer.said).toEqual(["PUB lobby 1|hi"]);
    await world.peer.says("ACK 1 1");
    expect(world.peer.said).toEqual(["BYE"]);
    expect(await outcome(closed)).toBe("pending");
    await world.peer.cut(null);
    expect(await outcome(closed)).toBeUndefined();
    expect(await outcome(sent)).toMatchObject({ seq: 1 });
    expect(world.client.state).toEqual({ phase: "ended", reason: null });
    expect(world.clock.waiting).toBe(0);
  });

  it("closes over a lost connection", async () => {
    const world = await World.connected();
    void world.client.send("lobby", "hi");
    const closed = world.client.close();
    await world.reconnect(0);
    expect(world.peer.said).toEqual(["PUB lobby 1|hi"]);
    await world.peer.says("ACK 1 1");
    await world.peer.cut(null);
    expect(await outcome(closed)).toBeUndefined();
  });

  it("says what it does not know when closing takes too long; the store keeps it", async () => {
    const store = new MemoryOutbox();
    const world = await World.connected({ outbox: store });
    const sent = world.client.send("lobby", "hi");
    const closed = world.client.close({ timeout: 1000 });
    await world.clock.advance(1000);
    expect(await outcome(closed)).toBeInstanceOf(TimedOut);
    expect(await outcome(sent)).toMatchObject({ code: "closed" });
    expect(store.load().length).toBe(1);
    expect(world.peer.gone).toBe(true);
    expect(world.clock.waiting).toBe(0);
  });

  it("closes though the server does not answer BYE", async () => {
    const world = await World.connected();
    const closed = world.client.close();
    await world.clock.advance(30_000);
    expect(await outcome(closed)).toBeUndefined();
    expect(world.peer.gone).toBe(true);
  });

  it("gives closing as long as it is told, whatever the clock does", async () => {
    const patient = await World.connected();
    void patient.client.send("lobby", "hi");
    const closed = patient.client.close({ timeout: Number.POSITIVE_INFINITY });
    await patient.clock.advance(60_000);
    expect(await outcome(closed)).toBe("pending");
    await patient.peer.says("ACK 1 1");
    await patient.peer.cut(null);
    expect(await outcome(closed)).toBeUndefined();
    expect(patient.clock.waiting).toBe(0);

    const world = await World.connected();
    void world.client.send("lobby", "hi");
    const late = world.client.close({ timeout: 5000 });
    await world.clock.advance(4000);
    world.clock.set(world.clock.now() - 3_600_000);
    await world.peer.says("ACK 1 1");
    expect(world.peer.said).toEqual(["PUB lobby 1|hi", "BYE"]);
    await world.clock.advance(3_600_000 + 1000);
    expect(await outcome(late)).toBeUndefined();
    expect(world.clock.waiting).toBe(0);
  });

  it("says that nothing was sent if it was never connected", async () => {
    const store = new MemoryOutbox();
    const { client, clock } = new World({ outbox: store });
    const sent = client.send("lobby", "hi");
    await expect(client.close()).rejects.toThrow(/1 messages were not sent, for connect\(\)/);
    expect(await outcome(sent)).toMatchObject({ code: "closed" });
    expect([store.load().length, clock.waiting]).toEqual([1, 0]);
  });

  it("closes before it was connected, twice, and while it is offline", async () => {
    const idle = new World();
    await idle.client.close();
    await idle.client.close();
    expect(idle.client.state).toEqual({ phase: "ended", reason: null });
    expect(idle.peers).toEqual([]);
    const offline = new World();
    const welcome = offline.client.connect();
    await offline.peer.cut();
    await offline.client.close();
    expect(await outcome(welcome)).toMatchObject({ code: "closed" });
    expect(offline.clock.waiting).toBe(0);
  });

  it("aborts at once", async () => {
    const world = await World.connected();
    const sent = world.client.send("lobby", "hi");
    world.client.abort();
    expect(world.peer.gone).toBe(true);
    expect(await outcome(sent)).toMatchObject({ code: "closed" });
    expect(world.clock.waiting).toBe(0);
    world.client.abort();
    expect(await outcome(world.client.writable())).toMatchObject({ code: "closed" });
  });

  it("cuts off a transport that does not close", async () => {
    const world = await World.connected();
    await world.peer.says("ERR internal|a fault");
    expect(world.peer.gone).toBe(false);
    await world.clock.advance(2000);
    expect(world.peer.gone).toBe(true);
    expect(reason(world)).toMatchObject({ code: "internal", final: false });
  });

  it("hears nothing behind what it did not understand", async () => {
    const world = await World.connected();
    const sent = world.client.send("lobby", "hi");
    await turn();
    await world.peer.sends(Buffer.from("nonsense".padEnd(128) + "0 ACK 1 1".padEnd(128)));
    expect(await outcome(sent)).toBe("pending");
    await world.peer.cut();
    expect(reason(world)).toBeInstanceOf(NotUnderstood);
  });

  it("takes no message above its limit", async () => {
    const world = await World.connected({ maxPayload: 100 });
    world.client.subscribe("lobby");
    await world.peer.says("SUBBED lobby 0");
    await world.peer.sends(Buffer.from("101 MSG lobby 1 bob 0".padEnd(128)));
    await world.peer.cut();
    expect(reason(world)).toMatchObject({ code: "not-understood" });
  });

  it("names the end of a connection", async () => {
    const world = await World.connected();
    await world.peer.cut(null);
    expect(reason(world)).toBeInstanceOf(Disconnected);
    expect(reason(world)?.message).toBe("the server closed the connection");
  });
});

describe("listeners", () => {
  it("are told until they stop, and may do anything", async () => {
    const clock = new FakeClock();
    const world = new World({}, clock);
    const seen: State[] = [];
    const { on } = world.client;
    const stop = on("state", (state) => {
      seen.push(state);
      if (state.phase === "online") {
        world.client.abort();
      }
    });
    void world.client.connect();
    await world.peer.welcome();
    expect(seen.map(({ phase }) => phase)).toEqual(["connecting", "online", "ended"]);
    expect(seen.at(-1)).toBe(world.client.state);
    stop();
    expect(clock.waiting).toBe(0);
  });

  it("may end it while it resumes", async () => {
    const store = new MemoryOutbox();
    store.put({ key: "a", room: "lobby", payload: Uint8Array.of(65), time: 0, id: 1n });
    const world = new World({ outbox: store });
    world.client.on("stored", () => world.client.abort());
    world.client.subscribe("lobby", { onEvents: () => {} });
    const seen = phases(world);
    void world.client.connect();
    await world.peer.welcome(1);
    expect(seen).toEqual(["connecting", "ended"]);
    expect(world.client.state).toEqual({ phase: "ended", reason: null });
    expect([world.peer.said, world.clock.waiting]).toEqual([[], 0]);
  });

  it("that fail are reported, and are nobody else's fault", async () => {
    const world = await World.connected();
    const thrown: unknown[] = [];
    const report = vi.spyOn(globalThis, "queueMicrotask").mockImplementation((act) => {
      try {
        act();
      } catch (error) {
        thrown.push(error);
      }
    });
    const stored: unknown[] = [];
    world.client.on("stored", () => {
      throw new Error("a listener's fault");
    });
    world.client.on("stored", (receipt) => stored.push(receipt));
    void world.client.send("lobby", "hi");
    await world.peer.says("ACK 1 1");
    report.mockRestore();
    expect(thrown).toMatchObject([{ message: "a listener's fault" }]);
    expect(stored.length).toBe(1);
    expect(world.client.state.phase).toBe("online");
  });
});
