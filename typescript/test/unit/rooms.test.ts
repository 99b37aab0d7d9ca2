/** Rooms: subscriptions over connections, slow readers, pages of history, who is there. */

import { describe, expect, it, vi } from "vitest";
import type { DirectEvent, RoomEvent, SubscribeOptions } from "../../src/index.js";
import { outcome, turn, World } from "./world.js";

function short(event: RoomEvent | DirectEvent): string {
  switch (event.kind) {
    case "message":
      return `${event.message.seq} ${event.message.sender}: ${event.message.text}`;
    case "missed":
      return `missed ${event.first}-${event.last}`;
    case "join":
    case "part":
      return `${event.kind} ${event.name}`;
    case "here":
      return `here ${event.names.join(",")}${event.cut > 0 ? ` and ${event.cut}` : ""}`;
    case "dropped":
      return `dropped ${event.count}`;
    case "ended":
      return `ended ${event.error?.code ?? "in order"}`;
    default:
      return `${event.kind} ${event.head}`;
  }
}

/** Subscribe; what is handed over stands in `batches`, each by itself. */
async function subscribed(options: SubscribeOptions = {}) {
  const world = await World.connected();
  const batches: string[][] = [];
  const room = world.client.subscribe("lobby", {
    ...options,
    onEvents: (events) => batches.push(events.map(short)),
  });
  return { world, room, batches };
}

const message = (seq: number, text = "x", room = "lobby") => `MSG ${room} ${seq} bob 5|${text}`;

describe("a subscription", () => {
  it("hands over what comes in one piece together", async () => {
    const { world, room, batches } = await subscribed({ last: 2 });
    expect(world.peer.said).toEqual(["SUB lobby last=2"]);
    expect(room.position).toBeNull();
    await world.peer.says("SUBBED lobby 9", message(8), message(9, "y"), "LIVE lobby 9");
    await world.peer.says(message(12, "live"));
    expect(batches).toEqual([["subbed 9", "8 bob: x", "9 bob: y", "live 9"], ["12 bob: live"]]);
    expect(room.position).toBe(12);
  });

  it.each<[SubscribeOptions, string, string]>([
    [{}, "SUB lobby", "SUB lobby from=10"],
    [{ from: 4 }, "SUB lobby from=4", "SUB lobby from=4"],
    [{ last: 3 }, "SUB lobby last=3", "SUB lobby from=7"],
    [{ last: 30 }, "SUB lobby last=30", "SUB lobby from=1"],
    [{ since: 5 }, "SUB lobby since=5", "SUB lobby since=5"],
  ])("that is cut off before its first message asks again: %j", async (options, first, again) => {
    const { world } = await subscribed(options);
    expect(world.peer.said).toEqual([first]);
    await world.peer.says("SUBBED lobby 9");
    await world.reconnect();
    expect(world.peer.said).toEqual([again]);
  });

  it("goes on behind the last message, or gap, or the head it was told", async () => {
    const { world, batches } = await subscribed({ since: 5 });
    await world.peer.says("SUBBED lobby 9", message(8));
    await world.reconnect();
    expect(world.peer.said).toEqual(["SUB lobby since=5", "SUB lobby from=9"].slice(1));
    await world.peer.says("SUBBED lobby 20", "MISSED lobby 9 19", message(20), "LIVE lobby 20");
    await world.reconnect();
    expect(world.peer.said).toEqual(["SUB lobby from=21"]);
    await world.peer.says("SUBBED lobby 30", "MISSED lobby 21 30", "LIVE lobby 30");
    await world.reconnect();
    expect(world.peer.said).toEqual(["SUB lobby from=31"]);
    expect(batches.flat().filter((each) => !/^(subbed|live)/.test(each))).toEqual([
      "8 bob: x",
      "missed 9-19",
      "20 bob: x",
      "missed 21-30",
    ]);
  });

  it("hands over large pieces whole, for nothing waits", async () => {
    const { world, batches } = await subscribed();
    const text = "x".repeat(600_000);
    await world.peer.says("SUBBED lobby 0", message(1, text), message(2, text), message(3, text));
    expect(batches[0]?.length).toBe(4);
    expect(world.peer.said).toEqual(["SUB lobby"]);
  });

  it("hands over no message twice, and none of other rooms", async () => {
    const { world, batches } = await subscribed();
    await world.peer.says("SUBBED lobby 0", "LIVE lobby 0", message(1), message(1), message(0));
    await world.peer.says(message(2, "x", "hall"), message(2, "two"));
    expect(batches).toEqual([["subbed 0", "live 0", "1 bob: x"], ["2 bob: two"]]);
  });

  it("is told when the room's history is another one", async () => {
    const { world, batches } = await subscribed();
    await world.peer.says("SUBBED lobby 9", "LIVE lobby 9");
    await world.reconnect();
    await world.peer.says("ERR bad-args SUB lobby|from=10 is beyond what was said");
    expect(world.peer.said).toEqual(["SUB lobby from=10", "SUB lobby"]);
    await world.peer.says("SUBBED lobby 3", "LIVE lobby 3", message(4));
    expect(batches.flat().slice(2)).toEqual(["replaced 3", "subbed 3", "live 3", "4 bob: x"]);
    await world.reconnect();
    expect(world.peer.said).toEqual(["SUB lobby from=5"]);
  });

  it("that is refused ends with the reason", async () => {
    const { world, batches } = await subscribed();
    await world.peer.says("ERR limit SUB lobby|you are in 1000 rooms");
    expect(batches).toEqual([["ended limit"]]);
    await world.reconnect();
    expect(world.peer.said).toEqual(["SUB lobby"].slice(1));
  });

  it("leaves the room when it is closed, and can be begun again at once", async () => {
    const { world, room, batches } = await subscribed();
    expect(() => world.client.subscribe("lobby")).toThrow(/is in lobby already/);
    room.close();
    room.close();
    expect(batches).toEqual([["ended in order"]]);
    const seen: string[] = [];
    const onEvents = (events: readonly RoomEvent[]) => seen.push(...events.map(short));
    world.client.subscribe("lobby", { last: 5, presence: true, onEvents });
    expect(world.peer.said).toEqual(["SUB lobby"]); // one question at a time
    await world.peer.says("SUBBED lobby 4", "LIVE lobby 4", message(5));
    expect(world.peer.said).toEqual(["SUB lobby last=5 presence=1", "WHO lobby"]);
    expect(seen).toEqual([]); // that was the answer to the first
    await world.peer.says(message(6), "SUBBED lobby 6", message(5), message(6), "LIVE lobby 6");
    expect(seen).toEqual(["subbed 6", "5 bob: x", "6 bob: x", "live 6"]);
  });

  it("that nobody wants any more is left", async () => {
    const { world, room } = await subscribed();
    await world.peer.says("SUBBED lobby 4", "LIVE lobby 4");
    room.close();
    expect(world.peer.said).toEqual(["SUB lobby", "UNSUB lobby"]);
    await world.peer.says("UNSUBBED lobby");
    await world.reconnect();
    expect(world.peer.said).toEqual([]);
  });

  it.each<SubscribeOptions>([
    { from: 1, last: 2 },
    { from: -1 },
    { last: 1.5 },
    { since: 2 ** 53 },
  ])("cannot begin at %j", async (options) => {
    const world = await World.connected();
    expect(() => world.client.subscribe("lobby", options)).toThrow(RangeError);
  });

  it("of a callback that fails goes on, and reports the failure", async () => {
    const world = await World.connected();
    const thrown: unknown[] = [];
    const report = vi.spyOn(globalThis, "queueMicrotask").mockImplementation((act) => {
      try {
        act();
      } catch (error) {
        thrown.push(error);
      }
    });
    let calls = 0;
    world.client.subscribe("lobby", {
      onEvents: () => {
        calls += 1;
        throw new Error("a fault of the page");
      },
    });
    await world.peer.says("SUBBED lobby 0");
    await world.peer.says("LIVE lobby 0");
    report.mockRestore();
    expect([calls, thrown.length]).toEqual([2, 2]);
    expect(world.client.state.phase).toBe("online");
  });
});

describe("iterating", () => {
  it("gets everything in order, and ends when it is closed", async () => {
    const world = await World.connected();
    const room = world.client.subscribe("lobby");
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of room) {
        seen.push(short(event));
      }
    })();
    await world.peer.says("SUBBED lobby 0", "LIVE lobby 0", message(1), message(2));
    expect(seen).toEqual(["subbed 0", "live 0", "1 bob: x", "2 bob: x"]);
    room.close();
    expect(await outcome(reading)).toBeUndefined();
  });

  it("leaves the room when the loop is left", async () => {
    const world = await World.connected();
    const room = world.client.subscribe("lobby");
    await world.peer.says("SUBBED lobby 0", "LIVE lobby 0");
    for await (const event of room) {
      expect(event.kind).toBe("subbed");
      break;
    }
    expect(world.peer.said).toEqual(["SUB lobby", "UNSUB lobby"]);
  });

  it("throws why it has ended, behind what was unread", async () => {
    const world = await World.connected();
    const room = world.client.subscribe("lobby");
    await world.peer.says("SUBBED lobby 0", message(1), "ERR superseded|another goes on");
    await world.peer.cut();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of room) {
        seen.push(short(event));
      }
    })();
    expect(await outcome(reading)).toMatchObject({ code: "superseded" });
    expect(seen).toEqual(["subbed 0", "1 bob: x"]);
  });

  it("cannot be done beside onEvents", async () => {
    const { room } = await subscribed();
    expect(() => room[Symbol.asyncIterator]()).toThrow(/leave that out/);
  });

  it("too slowly, it leaves the room, and joins again where it was", async () => {
    const world = await World.connected();
    const room = world.client.subscribe("lobby", { from: 1, presence: true });
    expect(world.peer.said).toEqual(["SUB lobby from=1 presence=1", "WHO lobby"]);
    const text = "x".repeat(100_000);
    const all = Array.from({ length: 30 }, (_, at) => message(at + 1, text));
    await world.peer.says("SUBBED lobby 30", ...all.slice(0, 20), "JOIN lobby carol");
    expect(world.peer.said).toEqual(["UNSUB lobby"]);
    await world.peer.says(...all.slice(20), "LIVE lobby 30", "UNSUBBED lobby");
    const iterator = room[Symbol.asyncIterator]();
    const seen: number[] = [];
    let answered = 0;
    while (seen.length < 30) {
      const { value } = await iterator.next();
      if (value?.kind === "message") {
        seen.push(value.message.seq);
      }
      for (const line of world.peer.said) {
        const from = /^SUB lobby from=(\d+) presence=1$/.exec(line)?.[1];
        if (from !== undefined) {
          answered += 1;
          await world.peer.says("SUBBED lobby 30", ...all.slice(Number(from) - 1), "LIVE lobby 30");
        } else if (line === "UNSUB lobby") {
          await world.peer.says("UNSUBBED lobby");
        } else {
          expect(line).toBe("WHO lobby");
        }
      }
    }
    expect(seen).toEqual(Array.from({ length: 30 }, (_, at) => at + 1));
    expect(answered).toBeGreaterThanOrEqual(2);
  });

  it("too slowly, it never goes on behind something that was passed over", async () => {
    const world = await World.connected();
    const room = world.client.subscribe("lobby", { from: 1 });
    const iterator = room[Symbol.asyncIterator]();
    const text = "x".repeat(600_000);
    await world.peer.says("SUBBED lobby 9", message(1, text), message(2, text), message(3));
    for (let at = 0; at < 3; at += 1) {
      await iterator.next(); // there is room again, and the answer to UNSUB is still to come
    }
    await world.peer.says(message(4), "UNSUBBED lobby");
    expect(world.peer.said).toEqual(["SUB lobby from=1", "UNSUB lobby", "SUB lobby from=3"]);
    const next = iterator.next();
    await world.peer.says("SUBBED lobby 9", message(3), message(4));
    expect(await next).toMatchObject({ value: { kind: "subbed" } });
    expect(await iterator.next()).toMatchObject({ value: { message: { seq: 3 } } });
  });
});

describe("presence", () => {
  it("begins with who is there, on each connection", async () => {
    const { world, batches } = await subscribed({ presence: true });
    expect(world.peer.said).toEqual(["SUB lobby presence=1", "WHO lobby"]);
    await world.peer.says("SUBBED lobby 0", "LIVE lobby 0", 'HERE lobby|["alice"]');
    await world.peer.says("JOIN lobby bob", "PART lobby bob", "JOIN hall carol");
    await world.peer.says('HERE lobby cut=7|["alice","dave"]');
    expect(batches.flat().slice(2)).toEqual([
      "here alice",
      "join bob",
      "part bob",
      "here alice,dave and 7",
    ]);
    await world.reconnect();
    expect(world.peer.said).toEqual(["SUB lobby from=1 presence=1", "WHO lobby"]);
  });

  it("is not told to whoever did not ask for it", async () => {
    const { world, batches } = await subscribed();
    await world.peer.says("SUBBED lobby 0", "JOIN lobby bob", 'HERE lobby|["bob"]');
    expect(batches).toEqual([["subbed 0"]]);
  });
});

describe("a page of history", () => {
  it("is read by moving back, and then to where the subscription stands", async () => {
    const { world, batches } = await subscribed({ last: 1, presence: true });
    await world.peer.says("SUBBED lobby 100", message(100), "LIVE lobby 100");
    const page = world.client.history("lobby", { before: 100, count: 3 });
    expect(world.peer.said.slice(2)).toEqual(["SUB lobby from=97 presence=1"]);
    await world.peer.says(message(101, "in between"), "SUBBED lobby 101");
    await world.peer.says(message(97), message(98), message(99), message(100), message(101));
    expect(world.peer.said).toEqual(["SUB lobby from=102 presence=1"]);
    await world.peer.says(message(102, "not twice"), "JOIN lobby dave");
    await world.peer.says("SUBBED lobby 102", message(102, "live"), "LIVE lobby 102");
    const found = await page;
    expect(found.messages.map(({ seq }) => seq)).toEqual([97, 98, 99]);
    expect(found).toMatchObject({ more: true, head: 101, missed: null });
    expect(batches.flat().slice(3)).toEqual([
      "101 bob: in between",
      "join dave",
      "subbed 102",
      "102 bob: live",
      "live 102",
    ]);
  });

  it("of a room that one is not in is read by a visit", async () => {
    const world = await World.connected();
    const page = world.client.history("lobby");
    expect(world.peer.said).toEqual(["SUB lobby last=50"]);
    const all = Array.from({ length: 50 }, (_, at) => message(at + 11));
    await world.peer.says("SUBBED lobby 60", ...all, "LIVE lobby 60");
    expect(world.peer.said).toEqual(["UNSUB lobby"]);
    expect((await page).messages.length).toBe(50);
    await world.peer.says("UNSUBBED lobby");
    await world.reconnect();
    expect(world.peer.said).toEqual([]);
  });

  it("looks further back where numbers skip, down to where nothing is kept", async () => {
    const world = await World.connected();
    const page = world.client.history("lobby", { before: 1000, count: 2 });
    await world.peer.says("SUBBED lobby 1000", message(999), "LIVE lobby 1000");
    await world.peer.says(message(1001)); // belongs to the first question still
    await world.peer.says("SUBBED lobby 1001", message(999), message(1000));
    await world.peer.says("SUBBED lobby 1000", "MISSED lobby 968 980", message(999), message(1000));
    expect(world.peer.said).toEqual([
      "SUB lobby from=998",
      "SUB lobby from=992",
      "SUB lobby from=968",
      "UNSUB lobby",
    ]);
    expect(await page).toMatchObject({ more: false, missed: { first: 968, last: 980 } });
    expect((await page).messages.map(({ seq }) => seq)).toEqual([999]);
  });

  it("of what is no longer kept ends there", async () => {
    const world = await World.connected();
    const page = world.client.history("lobby", { before: 50 });
    await world.peer.says("SUBBED lobby 900", "MISSED lobby 0 99");
    expect(await page).toMatchObject({
      messages: [],
      more: false,
      missed: { first: 0, last: 99 },
    });
  });

  it("has no more where the room begins", async () => {
    const world = await World.connected();
    const page = world.client.history("lobby", { before: 3, count: 2 });
    await world.peer.says("SUBBED lobby 5", message(1), message(2), message(3));
    expect(await page).toMatchObject({ more: false });
    const none = world.client.history("lobby", { before: 0 });
    await world.peer.says("UNSUBBED lobby", "SUBBED lobby 5", message(1));
    expect(await none).toMatchObject({ messages: [], more: false });
    const empty = world.client.history("hall");
    await world.peer.says("SUBBED hall 0", "LIVE hall 0");
    await world.peer.says("SUBBED hall 0", "LIVE hall 0");
    expect(await empty).toMatchObject({ messages: [], more: false, head: 0 });
  });

  it("beyond the newest message is that of the newest", async () => {
    const world = await World.connected();
    const page = world.client.history("lobby", { before: 500, count: 1 });
    await world.peer.says("ERR bad-args SUB lobby|from=499 is beyond what was said");
    expect(world.peer.said).toEqual(["SUB lobby from=499", "SUB lobby last=1"]);
    await world.peer.says("SUBBED lobby 5", message(5), "LIVE lobby 5");
    expect((await page).messages.map(({ seq }) => seq)).toEqual([5]);
  });

  it("forwards ends when it is full, or where the room ends", async () => {
    const world = await World.connected();
    const page = world.client.history("lobby", { from: 1, count: 2 });
    await world.peer.says("SUBBED lobby 9", "MISSED lobby 1 4", message(5), message(7), message(8));
    expect(await page).toMatchObject({ more: true, head: 9, missed: { first: 1, last: 4 } });
    const rest = world.client.history("lobby", { since: 3, count: 5 });
    await world.peer.says("UNSUBBED lobby");
    expect(world.peer.said.at(-1)).toBe("SUB lobby since=3");
    await world.peer.says("SUBBED lobby 9", message(8), message(9), "LIVE lobby 9");
    expect(await rest).toMatchObject({ more: false });
  });

  it("is bounded in bytes as well", async () => {
    const world = await World.connected();
    const text = "x".repeat(1_500_000);
    const up = world.client.history("lobby", { before: 9, count: 8 });
    await world.peer.says("SUBBED lobby 9");
    for (let seq = 1; seq <= 9; seq += 1) {
      await world.peer.says(message(seq, text));
    }
    expect((await up).messages.map(({ seq }) => seq)).toEqual([7, 8]);
    expect(await up).toMatchObject({ more: true });
    const down = world.client.history("lobby", { from: 1 });
    await world.peer.says("UNSUBBED lobby", "SUBBED lobby 9");
    for (let seq = 1; seq <= 4; seq += 1) {
      await world.peer.says(message(seq, text));
    }
    expect((await down).messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(await down).toMatchObject({ more: true });
  });

  it("is read anew after a lost connection, behind the subscription", async () => {
    const { world } = await subscribed();
    await world.peer.says("SUBBED lobby 9", "LIVE lobby 9");
    const page = world.client.history("lobby", { before: 5, count: 2 });
    await world.peer.says("SUBBED lobby 9", message(3));
    await world.reconnect();
    expect(world.peer.said).toEqual(["SUB lobby from=10"]);
    await world.peer.says("SUBBED lobby 9", "LIVE lobby 9");
    expect(world.peer.said).toEqual(["SUB lobby from=3"]);
    await world.peer.says("SUBBED lobby 9", message(3), message(4), message(5));
    expect((await page).messages.map(({ seq }) => seq)).toEqual([3, 4]);
  });

  it("that is refused says why, and the next one is read", async () => {
    const world = await World.connected();
    const [one, two] = [world.client.history("lobby", { from: 7 }), world.client.history("lobby")];
    await world.peer.says("ERR bad-args SUB lobby|from=7 is beyond what was said");
    expect(await outcome(one)).toMatchObject({ code: "bad-args" });
    expect(world.peer.said).toEqual(["SUB lobby from=7", "SUB lobby last=50"]);
    await world.peer.says("SUBBED lobby 1", message(1), "LIVE lobby 1");
    await world.peer.says("SUBBED lobby 1", message(1), "LIVE lobby 1");
    expect((await two).messages.length).toBe(1);
  });

  it("can be given up", async () => {
    const { world } = await subscribed();
    await world.peer.says("SUBBED lobby 9", "LIVE lobby 9");
    const give = new AbortController();
    const page = world.client.history("lobby", { before: 9, signal: give.signal });
    give.abort(new Error("scrolled away"));
    expect(await outcome(page)).toMatchObject({ message: "scrolled away" });
    await world.peer.says("SUBBED lobby 9", message(1));
    expect(world.peer.said).toEqual(["SUB lobby", "SUB lobby from=0", "SUB lobby from=10"]);
    const late = world.client.history("lobby", { signal: AbortSignal.abort(new Error("late")) });
    expect(await outcome(late)).toMatchObject({ message: "late" });
  });

  it.each([{ before: 1, from: 1 }, { before: -1 }, { count: 0 }, { since: Number.NaN }])(
    "cannot be %j",
    async (options) => {
      const world = await World.connected();
      expect(() => world.client.history("lobby", options)).toThrow(RangeError);
    },
  );
});

describe("direct messages", () => {
  it("are handed over as they come", async () => {
    const world = await World.connected();
    const seen: string[] = [];
    const directs = world.client.directs({ onEvents: (events) => seen.push(...events.map(short)) });
    expect(() => world.client.directs()).toThrow(/being taken already/);
    await world.peer.says(message(7, "psst", "@alice"));
    await world.reconnect();
    await world.peer.says(message(8, "again", "@alice"));
    directs.close();
    directs.close();
    await world.peer.says(message(9, "late", "@alice"));
    expect(seen).toEqual(["7 bob: psst", "8 bob: again", "ended in order"]);
    world.client.directs();
  });

  it("that nobody iterates are lost, the oldest first, and counted", async () => {
    const world = await World.connected();
    const directs = world.client.directs();
    const text = "x".repeat(300_000);
    for (let seq = 1; seq <= 9; seq += 1) {
      await world.peer.says(message(seq, text, "@alice"));
    }
    const iterator = directs[Symbol.asyncIterator]();
    const seen: string[] = [];
    for (let at = 0; at < 4; at += 1) {
      const { value } = await iterator.next();
      seen.push(short(value as DirectEvent).slice(0, 9));
    }
    expect(seen).toEqual(["dropped 6", "7 bob: xx", "8 bob: xx", "9 bob: xx"]);
    await iterator.return?.();
    expect(await iterator.next()).toEqual({ value: undefined, done: true });
  });
});

it("a client may be closed from within a callback", async () => {
  const world = await World.connected();
  const seen: string[] = [];
  for (const room of ["lobby", "hall"]) {
    world.client.subscribe(room, {
      onEvents: (events) => {
        seen.push(...events.map((event) => `${room} ${short(event)}`));
        world.client.abort();
      },
    });
  }
  await world.peer.says("SUBBED lobby 0", "SUBBED hall 0", "LIVE lobby 0");
  await turn();
  expect(seen).toEqual([
    "lobby subbed 0",
    "lobby live 0",
    "lobby ended in order",
    "hall subbed 0",
    "hall ended in order",
  ]);
});
