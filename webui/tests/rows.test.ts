/** Which rows stand under one name. */

import { describe, expect, it } from "vitest";
import { Conversation } from "../src/model/conversation";
import { said } from "../src/model/entry";
import { joint } from "../src/ui/rows";
import { message } from "./fake";

const NOON = new Date(2026, 4, 1, 12).getTime();

/** A room with messages of one sender at these seconds after noon. */
function room(seconds: readonly number[], first = 1): Conversation {
  const made = new Conversation("lobby", null);
  made.append(seconds.map((each, index) => said(message(first + index, "sensor", "21.5", "lobby", NOON + each * 1000), "alice")));
  return made;
}

const heads = (of: Conversation, places = of.entries.map((_, place) => place)): number[] => places.filter((place) => !joint(of, place, "alice").together);

describe("a group of messages of one sender", () => {
  it("ends after ten rows", () => {
    expect(heads(room(Array.from({ length: 25 }, (_, second) => second)))).toEqual([0, 10, 20]);
  });

  it("ends after five minutes, however short the pauses in it are", () => {
    expect(heads(room([0, 100, 200, 299, 300, 400]))).toEqual([0, 4]);
    expect(heads(room([0, 400]))).toEqual([0, 1]);
  });

  it("ends with another sender, and another day", () => {
    const made = room([0, 1]);
    made.append([said(message(3, "bob", "hi", "lobby", NOON + 2000), "alice"), said(message(4, "bob", "hi", "lobby", NOON + 86_400_000), "alice")]);
    expect(heads(made)).toEqual([0, 2, 3]);
  });

  it("stays as it was drawn when older messages are loaded", () => {
    const made = room([10, 11, 12], 11);
    expect(heads(made)).toEqual([0]);
    made.prepend(room([0, 1, 2, 3], 1).entries, true);
    expect(heads(made)).toEqual([0, 4]);
  });

  it("has a head again when the message that had it is discarded, or is stored above others", () => {
    const made = room([0]);
    const own = { content: "no", time: NOON + 1000, state: "failed", reason: "the room is full" } as const;
    made.own({ ...own, key: "one" }, 1);
    made.own({ ...own, key: "two" }, 1);
    expect(heads(made, [0, 1, 2])).toEqual([0, 1]);
    made.dropOwn("one");
    expect(heads(made, [0, 1])).toEqual([0, 1]);
    made.own({ ...own, key: "three", state: "sent", reason: null }, 1);
    expect(heads(made, [0, 1, 2])).toEqual([0, 1]);
    made.dropOwn("two");
    made.append([said(message(2, "bob", "hi", "lobby", NOON + 2000), "alice")]);
    expect(heads(made, [0, 1, 2])).toEqual([0, 1, 2]);
  });

  it("is found with ten looks, wherever one begins to read", () => {
    const made = room(Array.from({ length: 20_000 }, () => 0));
    expect(heads(made, [19_999])).toEqual([]);
    expect(heads(made, [19_989, 19_990])).toEqual([19_990]);
  });
});
