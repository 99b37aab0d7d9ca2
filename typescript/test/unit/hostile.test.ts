/** A server that says anything at all: the client throws nothing, asks little, and ends cleanly. */

import { expect, it } from "vitest";
import { turn, World } from "./world.js";

/** A small generator of whole numbers below a bound. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}

const VERBS =
  "WELCOME ACK SUBBED LIVE UNSUBBED MSG MISSED HERE ROOMS JOIN PART ERR PING PONG BYE X";
const WORDS =
  "lobby hall @alice alice bob 0 1 2 3 9 77 9007199254740991 9223372036854775807 -1 dup cut=2 " +
  "bad-args superseded absent busy too-large limit PUB SUB WHO ROOMS __proto__ constructor";
const PAYLOADS = [
  "",
  "hi",
  "[]",
  "{}",
  '["alice"]',
  '{"max_payload":"x"}',
  '{"__proto__":{}}',
  "\xff",
];

it("whatever frames come, in whatever order", async () => {
  const [verbs, words] = [VERBS.split(" "), WORDS.split(" ")];
  const ends = new Set<string>();
  for (let seed = 1; seed <= 1500; seed += 1) {
    const die = dice(seed);
    const world = await World.connected();
    const { client } = world;
    const seen: number[] = [];
    client.subscribe("lobby", {
      last: 3,
      presence: die(2) === 0,
      onEvents: (events) => {
        for (const event of events) {
          if (event.kind === "replaced") {
            seen.length = 0;
          } else if (event.kind === "message") {
            seen.push(event.message.seq);
          }
        }
      },
    });
    const waits = [
      client.send("lobby", "one"),
      client.send("@bob", "two"),
      client.history("lobby", { before: 9, count: 2 }),
      client.history("hall"),
      client.who("lobby"),
      client.rooms(),
      client.ping(),
    ];
    for (const wait of waits) {
      wait.catch(() => {});
    }
    for (let at = 0; at < 30 && !world.peer.gone && !world.peer.closing; at += 1) {
      const line = [verbs[die(verbs.length)]];
      for (let more = die(5); more > 0; more -= 1) {
        line.push(words[die(words.length)]);
      }
      await world.peer.says(`${line.join(" ")}|${PAYLOADS[die(PAYLOADS.length)]}`);
    }
    expect(world.peer.said.length, `seed ${seed}`).toBeLessThan(100);
    expect(seen, `seed ${seed}`).toEqual([...new Set(seen)].sort((a, b) => a - b));
    await world.peer.cut();
    ends.add(client.state.phase);
    client.abort();
    await turn();
    expect(client.state.phase).toBe("ended");
    expect(world.clock.waiting, `seed ${seed}`).toBe(0);
    await Promise.allSettled(waits);
  }
  expect([...ends].sort()).toEqual(["ended", "offline"]);
});

it("whatever bytes come, in whatever pieces", async () => {
  for (let seed = 1; seed <= 1000; seed += 1) {
    const die = dice(seed);
    const world = await World.connected();
    const good = Buffer.from("2 MSG lobby 1 bob 5".padEnd(128) + "hi".repeat(1));
    const bytes = Buffer.concat([good, good, good]);
    for (let at = die(6); at >= 0; at -= 1) {
      bytes[die(bytes.length)] = die(256);
    }
    for (let at = 0; at < bytes.length && !world.peer.closing; ) {
      const end = at + 1 + die(200);
      await world.peer.sends(bytes.subarray(at, end));
      at = end;
    }
    world.client.abort();
    await turn();
    expect(world.clock.waiting, `seed ${seed}`).toBe(0);
  }
});
