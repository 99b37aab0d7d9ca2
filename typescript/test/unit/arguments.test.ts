/**
 * Every public method, called with arguments that cannot be: it throws TypeError or RangeError (or rejects
 * with it) and changes nothing. What is sent afterwards is stored, and the client closes.
 */

import { describe, expect, it } from "vitest";
import {
  Client,
  type ClientOptions,
  drawSecret,
  MemoryOutbox,
  WebStorageOutbox,
  webSocket,
} from "../../src/index.js";
import { tcp } from "../../src/tcp.js";
import { encodeHeader, FrameDecoder, requests } from "../../src/wire/index.js";
import { outcome, turn, World } from "./world.js";

const broken = new Proxy(
  {},
  {
    get() {
      throw new RangeError("a method of the argument");
    },
  },
);
const SURROGATE = "\ud800";
const OBJECTS = [{}, { a: 1 }, [], ["x"], new Map(), () => "x", Symbol("x"), broken];
const NUMBERS = [0, 5, -1, 1.5, Number.NaN, 5n, true];
const OTHERS = [null, ...NUMBERS, ...OBJECTS];
const VIEWS = [new ArrayBuffer(4), new Uint16Array(2), new DataView(new ArrayBuffer(4))];
const MESSAGES = [undefined, ...OTHERS, ...VIEWS, SURROGATE];
const TEXTS = [...OTHERS, ...VIEWS, new Uint8Array(2)];
const ROOMS = [undefined, ...TEXTS, "", "a b", "x".repeat(33), "lobby\n", SURROGATE];
const TARGETS = [...ROOMS, "@", "@a b", `@${"x".repeat(25)}`];
const NAMES = [...TEXTS, "", "al*ce", "x".repeat(25), SURROGATE];
const SECRETS = [...TEXTS, "", "short", "c".repeat(65), "ü".repeat(16)];
const WHOLE = [null, "1", -1, 1.5, Number.NaN, 2 ** 53, 5n, true, ...OBJECTS];
const TIMES = [null, "1", -1, Number.NaN, 5n, true, ...OBJECTS];
const CALLS = [null, 5, "call", {}, [], broken];
const OPTIONS = [null, 5, "options", true, [], () => "x"];

type Row = readonly [what: string, call: (bad: never) => unknown, values: readonly unknown[]];

/** Expect that each call throws, or rejects, with TypeError or RangeError. */
async function expectRefused(rows: readonly Row[]): Promise<void> {
  for (const [what, call, values] of rows) {
    for (const [at, bad] of values.entries()) {
      let told: unknown;
      try {
        told = await outcome(Promise.resolve(call(bad as never)));
      } catch (error) {
        told = error;
      }
      const fits = told instanceof TypeError || told instanceof RangeError;
      expect(fits, `${what}, value ${at}: ${String(told)}`).toBe(true);
    }
  }
}

describe("a bad argument", () => {
  it("of a client's methods changes nothing", async () => {
    const world = await World.connected();
    const { client, peer } = world;
    const kept: unknown[] = [];
    client.on("outbox", () => kept.push(client.outbox));
    await expectRefused([
      ["send", (bad) => client.send("lobby", bad), MESSAGES],
      ["send to", (bad) => client.send(bad, "x"), TARGETS],
      ["send with", (bad) => client.send("lobby", "x", bad), OPTIONS],
      ["send key", (bad) => client.send("lobby", "x", { key: bad }), TEXTS.slice(1)],
      ["discard", (bad) => client.discard(bad), [undefined, ...TEXTS]],
      ["subscribe", (bad) => client.subscribe(bad), ROOMS],
      ["subscribe with", (bad) => client.subscribe("lobby", bad), OPTIONS],
      ["subscribe from", (bad) => client.subscribe("lobby", { from: bad }), WHOLE],
      ["subscribe last", (bad) => client.subscribe("lobby", { last: bad }), WHOLE],
      ["subscribe since", (bad) => client.subscribe("lobby", { since: bad }), WHOLE],
      ["subscribe presence", (bad) => client.subscribe("lobby", { presence: bad }), [1, "no", {}]],
      ["subscribe onEvents", (bad) => client.subscribe("lobby", { onEvents: bad }), CALLS],
      ["directs", (bad) => client.directs(bad), OPTIONS],
      ["directs onEvents", (bad) => client.directs({ onEvents: bad }), CALLS],
      ["history", (bad) => client.history(bad), ROOMS],
      ["history with", (bad) => client.history("lobby", bad), OPTIONS],
      ["history before", (bad) => client.history("lobby", { before: bad }), WHOLE],
      ["history from", (bad) => client.history("lobby", { from: bad }), WHOLE],
      ["history since", (bad) => client.history("lobby", { since: bad }), WHOLE],
      ["history count", (bad) => client.history("lobby", { count: bad }), [0, ...WHOLE]],
      ["history signal", (bad) => client.history("lobby", { signal: bad }), [null, 5, {}, broken]],
      ["who", (bad) => client.who(bad), [...ROOMS, "@bob"]],
      ["on", (bad) => client.on(bad, (() => {}) as never), [undefined, "messages", ...OTHERS]],
      ["on with", (bad) => client.on("state", bad), [undefined, ...CALLS]],
      ["connect", (bad) => client.connect(bad), OPTIONS],
      ["connect attempts", (bad) => client.connect({ attempts: bad }), [0, ...WHOLE]],
      ["close", (bad) => client.close(bad), OPTIONS],
      ["close timeout", (bad) => client.close({ timeout: bad }), TIMES.slice(1)],
    ]);
    expect(client.outbox).toEqual([]);
    expect(kept).toEqual([]);
    expect(peer.said).toEqual([]);
    expect(client.state.phase).toBe("online");

    const sent = client.send("lobby", new Uint8Array([0x68, 0x69]));
    await turn();
    expect(peer.said).toEqual(["PUB lobby 1|hi"]);
    await peer.says("ACK 1 7");
    expect(await outcome(sent)).toMatchObject({ seq: 7 });
    const closed = client.close();
    await turn();
    expect(peer.said).toEqual(["BYE"]);
    await peer.cut(null);
    expect(await outcome(closed)).toBeUndefined();
  });

  it("makes no client", async () => {
    const made = (options: object) => new World(options as Partial<ClientOptions>);
    const transport = { address: "x", connect: () => expect.unreachable() };
    const ports = [null, 5, "x", {}, [], broken];
    await expectRefused([
      ["options", (bad) => new Client(bad), [undefined, ...OPTIONS, {}]],
      ["transport", (bad) => new Client({ transport: bad }), [undefined, ...ports]],
      ["name", (bad) => made({ name: bad }), NAMES],
      ["secret", (bad) => made({ secret: bad }), SECRETS.slice(1)],
      ["token", (bad) => made({ token: bad }), [...TEXTS, SURROGATE]],
      ["maxPayload", (bad) => made({ maxPayload: bad }), WHOLE],
      ["outbox", (bad) => made({ outbox: bad }), ports.slice(1)],
      ["clock", (bad) => made({ clock: bad }), ports],
      ["jitter", (bad) => made({ jitter: bad }), CALLS.slice(1)],
      ["entropy", (bad) => new Client({ transport, entropy: bad }), CALLS.slice(1)],
      ["drawn", (bad) => drawSecret(() => bad), [undefined, "x", new Uint8Array(3), ...OTHERS]],
      ["drawSecret", (bad) => drawSecret(bad), CALLS.slice(1)],
      ["storage", (bad) => new WebStorageOutbox(bad, "x"), [undefined, ...ports]],
      ["webSocket", (bad) => webSocket(bad), [undefined, "", "::", ...OTHERS]],
      ["webSocket with", (bad) => webSocket("ws://x/ws", bad), OPTIONS],
      ["WebSocket", (bad) => webSocket("ws://x/ws", { WebSocket: bad }), CALLS.slice(1)],
      ["webSocket clock", (bad) => webSocket("ws://x/ws", { clock: bad }), ports.slice(1)],
      ["tcp", (bad) => tcp(bad), [undefined, "", "a b", ...OTHERS]],
      ["tcp port", (bad) => tcp({ port: bad }), [undefined, 0, 65536, ...WHOLE]],
      ["tcp host", (bad) => tcp({ host: bad, port: 5050 }), TEXTS.slice(1)],
      ["tcp path", (bad) => tcp({ path: bad }), [undefined, ...TEXTS]],
      ["decoder", (bad) => new FrameDecoder(bad), WHOLE],
      ["decoder payload", (bad) => new FrameDecoder(128, bad), WHOLE],
      ["feed", (bad) => [...new FrameDecoder().feed(bad)], [undefined, "x", ...OTHERS]],
      ["header", (bad) => encodeHeader(bad), WHOLE],
      ["frame", (bad) => requests.encodeFrame(["PUB"], bad), [null, "x", ...OTHERS, ...VIEWS]],
      ["pub", (bad) => requests.pub("x", 1n, bad), [undefined, "x", ...OTHERS, ...VIEWS]],
    ]);
  });

  it("is kept by no outbox", async () => {
    const outbox = new MemoryOutbox();
    const { client } = new World({ outbox });
    await expectRefused([["send", (bad) => client.send("lobby", bad), MESSAGES]]);
    expect(outbox.load()).toEqual([]);
  });
});

it("takes a Buffer, and copies it", async () => {
  const world = await World.connected();
  const bytes = Buffer.from("hello");
  void world.client.send("lobby", bytes);
  bytes.fill(0);
  await turn();
  expect(world.peer.said).toEqual(["PUB lobby 1|hello"]);
});
