/** Where an outbox is kept. */

import { describe, expect, it } from "vitest";
import { MemoryOutbox, type StoredMessage, WebStorageOutbox } from "../../src/index.js";
import { outcome, turn, World } from "./world.js";

/** A browser's storage, with room for so many characters. */
class FakeStorage implements Storage {
  readonly #items = new Map<string, string>();

  constructor(readonly room = Number.POSITIVE_INFINITY) {}

  get length(): number {
    return this.#items.size;
  }

  key(at: number): string | null {
    return [...this.#items.keys()][at] ?? null;
  }

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (value.length > this.room) {
      throw new Error("the quota is exceeded");
    }
    this.#items.set(key, value);
  }

  removeItem(key: string): void {
    this.#items.delete(key);
  }

  clear(): void {
    this.#items.clear();
  }
}

const message = (key: string, id: bigint | null = null): StoredMessage => ({
  key,
  room: "lobby",
  payload: Uint8Array.from({ length: 20_000 }, (_, at) => at % 256),
  time: 5,
  id,
});

describe.each([
  ["in memory", () => new MemoryOutbox()],
  ["in a browser's storage", () => new WebStorageOutbox(new FakeStorage(), "box")],
])("an outbox %s", (_, make) => {
  it("keeps what was put, in order of the first putting", () => {
    const store = make();
    expect(store.load()).toEqual([]);
    for (const key of ["c", "a", "b", "x/y ü"]) {
      store.put(message(key));
    }
    store.put(message("a", 2n ** 63n - 1n));
    store.remove("b");
    store.remove("b");
    expect(store.load()).toEqual([message("c"), message("a", 2n ** 63n - 1n), message("x/y ü")]);
  });
});

describe("in a browser's storage", () => {
  it("it is there after a reload, beside others", () => {
    const storage = new FakeStorage();
    const one = new WebStorageOutbox(storage, "box");
    one.load();
    one.put(message("a", 7n));
    const other = new WebStorageOutbox(storage, "box2");
    other.load();
    other.put(message("b"));
    const again = new WebStorageOutbox(storage, "box");
    expect(again.load()).toEqual([message("a", 7n)]);
    again.put(message("c"));
    expect(again.load()).toEqual([message("a", 7n), message("c")]);
    again.remove("a");
    again.remove("c");
    expect(storage.getItem("box2/message/b")).not.toBeNull();
  });

  it("it belongs to whoever loaded it last", () => {
    const storage = new FakeStorage();
    const [older, newer] = [new WebStorageOutbox(storage, "b"), new WebStorageOutbox(storage, "b")];
    older.load();
    older.put(message("a"));
    newer.load();
    expect(() => older.put(message("c"))).toThrow(/another tab or program has taken over/);
    newer.put(message("d"));
    expect(newer.load()).toEqual([message("a"), message("d")]);
  });

  it.each(["", "{", "null", "5", '{"n":0}', '{"n":0,"room":"r","time":1,"payload":"%","id":null}'])(
    "passes over what it cannot read: %s",
    (text) => {
      const storage = new FakeStorage();
      storage.setItem("box/message/a", text);
      expect(new WebStorageOutbox(storage, "box").load()).toEqual([]);
      expect(storage.getItem("box/message/a")).toBe(text);
    },
  );

  it("it may be full: that is told, and the message is sent all the same", async () => {
    const world = await World.connected({
      outbox: new WebStorageOutbox(new FakeStorage(200), "b"),
    });
    void world.client.send("lobby", "short");
    expect(world.client.storeError).toBeNull();
    const large = world.client.send("lobby", "x".repeat(500));
    await turn();
    expect(world.client.storeError?.message).toBe("the quota is exceeded");
    await world.peer.says("ACK 2 2");
    expect(await outcome(large)).toMatchObject({ seq: 2 });
  });

  it("a reload sends what was left, and nothing else", async () => {
    const storage = new FakeStorage();
    const before = await World.connected({ outbox: new WebStorageOutbox(storage, "box") });
    for (const text of ["one", "two"]) {
      void before.client.send("lobby", text);
    }
    await turn();
    await before.peer.says("ACK 1 1");
    // The page is gone here, without a word.
    const after = new World({ outbox: new WebStorageOutbox(storage, "box") });
    void after.client.connect();
    await after.peer.welcome(1);
    expect(after.peer.said).toEqual(["PUB lobby 2|two"]);
    await after.peer.says("ACK 2 2");
    expect(storage.length).toBe(1); // whose it is
  });
});
