/** A session: what comes, what goes, and what is kept, with a client that does as it is told. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ANSWER_TIME, type Channel, Claims } from "../src/model/claims";
import { Conversation, FIRST_INDEX, KEPT_ENTRIES, MOST_ENTRIES } from "../src/model/conversation";
import { Directs, type Kept, KEPT_BYTES, KEPT_EACH, withinBounds } from "../src/model/directs";
import type { Entry, Said } from "../src/model/entry";
import { SOUGHT_TIME } from "../src/model/history";
import { type Locks, takeIdentity } from "../src/model/identity";
import { ECHO_TIME, SOON_SENT } from "../src/model/outgoing";
import { KEPT_DRAFT, Profile } from "../src/model/profile";
import { Preferences } from "../src/model/preferences";
import { NoStorage, PageStorage, usable } from "../src/model/storage";
import { failure, inLobby, message, said, world, type World } from "./fake";

const lobby = ({ session }: World): Conversation => {
  const found = session.conversations.find("lobby");
  if (found === undefined) throw new Error("no lobby");
  return found;
};

const texts = (conversation: Conversation): unknown[] => conversation.entries.map((entry) => (entry.kind === "said" ? entry.content : entry.kind));

const entry = (seq: number, sender = "bob", content = `m${seq}`): Said => ({ kind: "said", seq, sender, time: seq, content, mine: sender === "alice", calls: false });

describe("reading", () => {
  it("shows each message once, in order", () => {
    const made = inLobby(said(1, "bob", "one"), said(2, "bob", "two"));
    made.wire().tell("lobby", said(2, "bob", "two"), said(3, "alice", "three"));
    expect(texts(lobby(made))).toEqual(["one", "two", "three"]);
  });

  it("keeps what is no text as bytes, and text alone of what is", () => {
    const made = inLobby(said(1, "bob", new Uint8Array([255, 0])), said(2, "bob", "a\0b"));
    expect(lobby(made).entries.map((each) => each.kind === "said" && typeof each.content !== "string")).toEqual([true, true]);
  });

  it("says what is missing, where it is missing", () => {
    const made = inLobby();
    made.wire().tell("lobby", { kind: "missed", room: "lobby", first: 1, last: 40 }, said(41, "bob", "x"));
    expect(texts(lobby(made))).toEqual(["missed", "x"]);
  });

  it("begins anew when the server has another history", () => {
    const made = inLobby(said(7, "bob", "old"));
    made.wire().tell("lobby", { kind: "replaced", room: "lobby", head: 2 }, said(3, "bob", "new"));
    expect(texts(lobby(made))).toEqual(["replaced", "new"]);
    expect(lobby(made).unread).toBe(1);
  });

  it("loads what is older, once at a time, to the beginning", async () => {
    const made = inLobby(said(500, "bob", "now"));
    const room = lobby(made);
    const loading = made.session.history.older(room);
    void made.session.history.older(room);
    expect(made.wire().asked.map(({ options }) => options.before)).toEqual([500]);
    made.wire().asked[0]?.answer({ messages: [message(1, "bob", "first"), message(9, "bob", "ninth")], more: false, head: 500, missed: null });
    await loading;
    expect(texts(room)).toEqual(["first", "ninth", "now"]);
    expect(room.firstIndex).toBe(FIRST_INDEX - 2);
    expect(room.complete).toBe(true);
    await made.session.history.older(room);
    expect(made.wire().asked.length).toBe(1);
  });

  it("says why older messages do not come, and tries again when asked", async () => {
    const made = inLobby(said(500, "bob", "now"));
    const room = lobby(made);
    const loading = made.session.history.older(room);
    made.wire().asked[0]?.fail(failure("busy", "try later"));
    await loading;
    expect(room.error?.message).toContain("try later");
    void made.session.history.older(room);
    expect([room.error, room.loading, made.wire().asked.length]).toEqual([null, true, 2]);
  });

  it("forgets the oldest of a flood, unless somebody reads there", () => {
    const room = new Conversation("lobby", 0);
    const flood = (from: number): Entry[] => Array.from({ length: MOST_ENTRIES }, (_, index) => entry(from + index));
    room.append(flood(1));
    room.reading(true);
    room.append(flood(MOST_ENTRIES + 1));
    expect(room.entries.length).toBe(2 * MOST_ENTRIES);
    room.reading(false);
    room.append([entry(2 * MOST_ENTRIES + 1)]);
    expect(room.entries.length).toBe(KEPT_ENTRIES);
    expect(room.newest).toBe(2 * MOST_ENTRIES + 1);
    expect(room.firstIndex + room.entries.length).toBe(FIRST_INDEX + 2 * MOST_ENTRIES + 1);
    expect(room.complete).toBe(false);
  });
});

describe("what is unread", () => {
  it("is counted while nobody looks, and marked where it begins", () => {
    const made = inLobby(said(1, "bob", "one"));
    const room = lobby(made);
    expect(room.unread).toBe(0); // what was there when one came for the first time
    made.wire().tell("lobby", said(2, "bob", "two"), said(3, "bob", "@alice three"), said(4, "alice", "mine"));
    expect([room.unread, room.calls, room.divider]).toEqual([2, 1, 1]);
    room.attend(true);
    expect([room.unread, room.calls, room.readTo, room.divider]).toEqual([0, 0, 4, 1]);
    made.wire().tell("lobby", said(5, "bob", "five"));
    expect([room.unread, room.readTo]).toEqual([0, 5]);
  });

  it("is known after a reload", () => {
    const made = inLobby(said(1, "bob", "one"));
    lobby(made).attend(true);
    made.wire().tell("lobby", said(2, "bob", "two"));
    made.profile.save();
    const again = world(made.storage);
    again.session.start("alice");
    again.wire().welcome();
    again.wire().join("lobby", 3, said(1, "bob", "one"), said(2, "bob", "two"), said(3, "bob", "three"));
    expect([lobby(again).unread, lobby(again).divider]).toEqual([1, 2]);
  });
});

describe("sending", () => {
  it("is pending, stored, and seen in its place, once", () => {
    const made = inLobby(said(1, "bob", "hi"));
    const room = lobby(made);
    made.session.outgoing.say("lobby", "hello");
    expect(room.sending.map(({ content, state }) => [content, state])).toEqual([["hello", "sent"]]);
    made.wire().store(0, 2);
    expect(room.sending[0]?.state).toBe("stored");
    made.wire().tell("lobby", said(2, "alice", "hello"));
    expect([texts(room), room.sending.length]).toEqual([["hi", "hello"], 0]);
  });

  it("is never shown twice, if its echo comes before its receipt", () => {
    const made = inLobby();
    const room = lobby(made);
    made.session.outgoing.say("lobby", "ok");
    made.session.outgoing.say("lobby", "ok");
    made.wire().tell("lobby", said(1, "alice", "ok"));
    expect([texts(room).length, room.sending.length]).toEqual([1, 1]);
    made.wire().tell("lobby", said(2, "alice", "ok"));
    made.wire().store();
    made.wire().store();
    expect([texts(room).length, room.sending.length]).toEqual([2, 0]);
  });

  it("is seen in its place, once, also where the server has another history", () => {
    const made = inLobby(said(7, "bob", "hi"));
    const room = lobby(made);
    for (const text of ["one", "two"]) made.session.outgoing.say("lobby", text);
    made.wire().tell("lobby", { kind: "replaced" } as never);
    made.wire().store(0, 1);
    made.wire().tell("lobby", said(1, "alice", "one"));
    expect([texts(room), room.sending.map(({ content }) => content)]).toEqual([["replaced", "one"], ["two"]]);
    made.wire().tell("lobby", said(2, "alice", "two"));
    made.wire().store(0, 2);
    expect([texts(room), room.sending.length]).toEqual([["replaced", "one", "two"], 0]);
  });

  it("is known by its number where its text is not what was written", () => {
    const made = inLobby();
    const room = lobby(made);
    made.session.outgoing.say("lobby", "half a \ud83d letter");
    made.wire().store(0, 1);
    made.wire().tell("lobby", said(1, "alice", "half a \ufffd letter"));
    expect([texts(room).length, room.sending.length]).toEqual([1, 0]);
  });

  it("does not take an earlier message of the same words for its echo", () => {
    const made = inLobby(said(1, "alice", "ok"));
    made.session.outgoing.say("lobby", "ok");
    made.wire().lose();
    made.profile.save();
    const again = world(made.storage, made.wire().outbox);
    again.session.start("alice");
    again.wire().welcome();
    again.wire().join("lobby", 1, said(1, "alice", "ok"));
    expect(lobby(again).sending.map(({ content }) => content)).toEqual(["ok"]);
    again.wire().tell("lobby", said(2, "alice", "ok"));
    expect(lobby(again).sending).toEqual([]);
  });

  it("waits without a connection, and can be taken back until it went", () => {
    const made = inLobby();
    made.wire().lose();
    made.session.outgoing.say("lobby", "later");
    const [own] = lobby(made).sending;
    expect([own?.state, made.session.outgoing.pending]).toEqual(["waiting", 1]);
    expect(made.session.outgoing.takeBack("lobby", own?.key ?? "")).toBe("later");
    expect([lobby(made).sending.length, made.session.outgoing.pending]).toEqual([0, 0]);
    made.wire().welcome();
    made.session.outgoing.say("lobby", "now");
    expect(made.session.outgoing.takeBack("lobby", lobby(made).sending[0]?.key ?? "")).toBeNull();
  });

  it("finds out soon whether the server is there, unless much is on its way", () => {
    const made = inLobby();
    made.session.outgoing.say("lobby", "there?");
    expect(made.wire().nudges).toBe(1);
    made.session.outgoing.say("lobby", "x".repeat(SOON_SENT));
    expect(made.wire().nudges).toBe(1);
    made.wire().store();
    made.wire().store();
    made.wire().lose();
    made.session.outgoing.say("lobby", "later");
    expect(made.wire().nudges).toBe(1);
  });

  it("that fails says why, survives a reload, and can be sent again", () => {
    const made = inLobby();
    made.session.outgoing.say("lobby", "no");
    made.wire().refuse(failure("limit", "the room is full"));
    expect(lobby(made).sending[0]).toMatchObject({ state: "failed", reason: "the room is full" });
    made.profile.save();
    const again = world(made.storage);
    again.session.start("alice");
    again.wire().welcome();
    const [failed] = lobby(again).sending;
    expect(failed).toMatchObject({ state: "failed", content: "no" });
    again.session.outgoing.retry("lobby", failed?.key ?? "");
    expect(lobby(again).sending.map(({ state }) => state)).toEqual(["sent"]);
    expect(again.wire().outbox[0]?.key).not.toBe(failed?.key); // refused for certain: a new message
    expect(again.profile.failures).toEqual([]);
  });

  it("that fails does not bring back a room that was left, and is there when one joins it again", () => {
    const made = inLobby();
    made.session.enter("builds");
    made.session.outgoing.say("builds", "no");
    made.wire().refuse(failure("limit", "the room is full"));
    made.session.leave("builds");
    made.profile.save();
    const again = world(made.storage);
    again.session.start("alice");
    expect(again.session.conversations.rooms.map(({ name }) => name)).toEqual(["lobby"]);
    again.session.enter("builds");
    expect(again.session.conversations.open?.sending.map(({ content, state, reason }) => [content, state, reason])).toEqual([["no", "failed", "the room is full"]]);
  });

  it("that fails in a room that was left is kept, and the notice names the room", () => {
    const made = inLobby();
    made.session.enter("builds");
    made.session.outgoing.say("builds", "no");
    made.session.leave("builds");
    made.wire().refuse(failure("limit", "the room is full"));
    expect(made.session.notices.notices.at(-1)?.text).toContain("Join builds to edit it or send it again.");
    made.session.enter("builds");
    expect(made.session.conversations.open?.sending.map(({ content, state }) => [content, state])).toEqual([["no", "failed"]]);
  });

  it("that waits is shown again when one comes back to its room", () => {
    const made = inLobby();
    made.session.enter("builds");
    made.wire().lose();
    made.session.outgoing.say("builds", "later");
    made.session.leave("builds");
    made.session.enter("builds");
    expect(made.session.conversations.open?.sending.map(({ content, state }) => [content, state])).toEqual([["later", "waiting"]]);
  });

  it("that is only begun is kept when its room is left", () => {
    const made = inLobby();
    made.session.enter("builds");
    made.profile.keepDraft("builds", "half a thou");
    made.session.leave("builds");
    made.profile.save();
    expect(world(made.storage).profile.drafts.get("builds")).toBe("half a thou");
  });
});

describe("direct messages", () => {
  it("stand in a conversation of their own, and are kept by the browser", () => {
    const made = inLobby();
    made.wire().direct("bob", "psst");
    const bob = made.session.conversations.find("@bob");
    expect([bob?.unread, bob?.entries.length]).toEqual([1, 1]);
    made.session.outgoing.say("@bob", "yes?");
    made.wire().store();
    expect(bob && texts(bob)).toEqual(["psst", "yes?"]);
    made.profile.save();
    const again = world(made.storage, [], made.directs);
    const kept = again.session.conversations.find("@bob");
    expect(kept && texts(kept)).toEqual(["psst", "yes?"]);
    expect([kept?.unread, kept?.divider]).toEqual([0, null]);
  });

  it("to nobody fail", () => {
    const made = inLobby();
    made.session.enter("@nobody");
    made.session.outgoing.say("@nobody", "hello?");
    made.wire().refuse(failure("absent", "nobody is there"));
    expect(made.session.conversations.find("@nobody")?.sending[0]?.reason).toBe("nobody is there");
  });
});

describe("a direct message whose outcome was lost", () => {
  it("is shown as perhaps not received, also after a reload", () => {
    const made = inLobby();
    made.session.enter("@bob");
    made.session.outgoing.say("@bob", "hello?");
    made.wire().refuse(failure("unknown", "bob may have it or not"));
    expect(made.session.conversations.find("@bob")?.sending[0]).toMatchObject({ state: "failed", uncertain: true });
    expect(made.session.notices.spoken).toBe("Perhaps not received: bob may have it or not");
    made.profile.save();
    expect(world(made.storage).session.conversations.find("@bob")?.sending[0]).toMatchObject({ state: "failed", uncertain: true });
  });
});

describe("the list", () => {
  it("has rooms that one enters, and not those that one leaves", () => {
    const made = inLobby();
    expect(made.session.enter("builds")).toBe(true);
    expect(made.session.enter("no room")).toBe(false);
    expect([...made.wire().subscriptions.keys()]).toEqual(["lobby", "builds"]);
    made.session.leave("builds");
    expect([...made.wire().subscriptions.keys()]).toEqual(["lobby"]);
    expect(made.session.conversations.open?.name).toBe("lobby");
    made.session.leave("lobby");
    expect(made.session.conversations.open).toBeNull();
  });

  it("knows who is here, by the server's word, while there is one", () => {
    const made = inLobby();
    made.wire().tell("lobby", { kind: "join", room: "lobby", name: "carol" }, { kind: "part", room: "lobby", name: "bob" });
    expect([...(lobby(made).people ?? [])]).toEqual(["alice", "carol"]);
    made.wire().lose();
    expect(lobby(made).people).toBeNull();
  });
});

describe("names", () => {
  it("that are taken are told", () => {
    const made = world();
    made.session.start("alice");
    made.wire().welcome("alice-2");
    expect(made.session.name).toBe("alice-2");
    expect(made.session.notices.notices.map(({ text }) => text)).toEqual(["alice is taken, so you are alice-2 here."]);
  });

  it("change with a new client of the same secret, that reads on where the old one was", () => {
    const made = inLobby(said(5, "bob", "x"));
    const before = made.wire();
    made.session.start("carol");
    expect([before.aborted, made.wire().secret]).toEqual([true, before.secret]);
    expect(made.wire().subscriptions.get("lobby")).toMatchObject({ from: 6, presence: true });
  });
});

describe("places in the browser", () => {
  /** Locks as browsers have them, shared by tabs. */
  class FakeLocks implements Locks {
    held = new Set<string>();
    request(name: string, options: { ifAvailable?: boolean; signal?: AbortSignal }, taken: (lock: unknown) => Promise<void> | undefined): Promise<unknown> {
      if (!this.held.has(name)) {
        this.held.add(name);
        return Promise.resolve(taken({}));
      }
      if (options.ifAvailable) return Promise.resolve(taken(null));
      return new Promise((_, fail) => options.signal?.addEventListener("abort", () => fail(new Error("aborted"))));
    }
  }

  it("are of one tab at a time, and the first free one is taken", async () => {
    const locks = new FakeLocks();
    const local = new PageStorage();
    const first = await takeIdentity(locks, local, new PageStorage());
    const second = await takeIdentity(locks, local, new PageStorage());
    expect([first.prefix, first.second, second.prefix, second.second]).toEqual(["tcpmsg.0.", false, "tcpmsg.1.", true]);
    locks.held.delete("tcpmsg.0");
    expect((await takeIdentity(locks, local, new PageStorage())).prefix).toBe("tcpmsg.0.");
  });

  it("are found again by a tab that is reloaded", async () => {
    const locks = new FakeLocks();
    const tab = new PageStorage();
    await takeIdentity(locks, new PageStorage(), new PageStorage());
    expect((await takeIdentity(locks, new PageStorage(), tab)).prefix).toBe("tcpmsg.1.");
    locks.held.clear();
    expect((await takeIdentity(locks, new PageStorage(), tab)).prefix).toBe("tcpmsg.1.");
  });

  it("last as long as the tab where tabs can have no locks", async () => {
    const tab = new PageStorage();
    const found = await takeIdentity(null, new PageStorage(), tab);
    expect([found.lasting, found.storage]).toEqual([false, tab]);
  });

  it("hold nothing that was not put there by this page", () => {
    const identity = { prefix: "p.", storage: new PageStorage(), lasting: true, second: false };
    for (const junk of ["", "null", "[]", "{", '{"secret":5,"name":"<b>","places":[["../x",1],[1],"@"],"drafts":{},"failures":[{"room":"lobby"}],"open":"x"}']) {
      identity.storage.setItem("p.profile", junk);
      const profile = new Profile(identity, () => "s".repeat(20));
      expect([profile.secret, profile.name, profile.places.size, profile.drafts.size, profile.failures.length, profile.open]).toEqual(["s".repeat(20), null, 0, 0, 0, null]);
      new Preferences(identity.storage);
    }
  });

  it("hold a draft that was pasted, whole while the page lives, and what fits of it beyond", () => {
    const identity = { prefix: "p.", storage: new PageStorage(), lasting: true, second: false };
    const profile = new Profile(identity);
    const pasted = "x".repeat(KEPT_DRAFT);
    profile.keepDraft("lobby", pasted);
    profile.keepDraft("builds", `${pasted} and more`);
    profile.save();
    expect(profile.drafts.get("builds")).toBe(`${pasted} and more`);
    expect([...new Profile(identity).drafts]).toEqual([["lobby", pasted], ["builds", pasted]]);
  });

  it("say so in a browser that gives no storage", () => {
    const identity = { prefix: "p.", storage: new NoStorage(), lasting: true, second: false };
    expect(new Profile(identity).keeps).toBe(false);
  });

  it("leave what is kept to another tab that has become this person", () => {
    const made = inLobby();
    made.session.profile.save();
    made.wire().become({ phase: "ended", reason: failure("superseded", "elsewhere") });
    made.session.profile.keepDraft("lobby", "from before");
    made.session.profile.save();
    expect(made.storage.getItem("test.profile")).not.toContain("from before");
    made.session.start("alice");
    made.wire().welcome();
    made.session.profile.save();
    expect(made.storage.getItem("test.profile")).toContain("from before");
  });

  it("hold so many direct messages and no more, the newest", () => {
    const kept = (number: number, peer: string, content: Kept["content"] = "x"): Kept => ({ number, peer, sender: "bob", time: number, content });
    const many = Array.from({ length: KEPT_EACH + 5 }, (_, number) => kept(number, "@bob"));
    const [stay, go] = withinBounds([kept(-1, "@ann"), ...many]);
    expect(go.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4]);
    expect(stay.map(({ number }) => number)).toEqual([-1, ...Array.from({ length: KEPT_EACH }, (_, number) => number + 5)]);
    const large = new Uint8Array(KEPT_BYTES / 4);
    expect(withinBounds([1, 2, 3].map((number) => kept(number, `@p${number}`, large)))[1].map(({ number }) => number)).toEqual([1]);
    expect(withinBounds([kept(1, "@bob", new Uint8Array(KEPT_BYTES))])[0]).toEqual([]);
  });

  it("take the direct messages that come when they were waited for no longer", async () => {
    vi.useFakeTimers();
    const written: unknown[] = [];
    const old = { peer: "@bob", sender: "bob", time: 1, content: "of yesterday" };
    const answered = (result: unknown): unknown => {
      const request: { result: unknown; onsuccess?: () => void } = { result };
      setTimeout(() => request.onsuccess?.());
      return request;
    };
    const store = { put: (value: unknown) => written.push(value), getAllKeys: () => answered([["p.", 7]]), getAll: () => answered([old]) };
    const act = { objectStore: () => store, commit: () => setTimeout(() => act.oncomplete()), oncomplete: () => {} };
    const request: { result: unknown; onsuccess?: () => void } = { result: { transaction: () => act } };
    vi.stubGlobal("indexedDB", { open: () => request });
    vi.stubGlobal("IDBKeyRange", { bound: () => null });
    const opened = Directs.open("p.");
    await vi.advanceTimersByTimeAsync(1500);
    const made = world(new PageStorage(), [], await opened);
    made.session.enter("@bob");
    made.session.enter("lobby");
    made.session.start("alice");
    made.wire().welcome();
    made.wire().direct("bob", "of today");
    expect([texts(made.session.conversations.find("@bob") as Conversation), made.session.unkept]).toEqual([["of today"], ["direct messages"]]);
    request.onsuccess?.();
    await vi.advanceTimersByTimeAsync(10);
    expect([texts(made.session.conversations.find("@bob") as Conversation), made.session.unkept]).toEqual([["of yesterday", "of today"], []]);
    expect(made.session.conversations.find("@bob")?.unread).toBe(1);
    expect(written).toEqual([expect.objectContaining({ content: "of today" })]);
  });

  it("count what is unread of somebody whose messages were more than are kept", () => {
    const before = world();
    before.profile.places.set("@bob", 300);
    before.profile.save();
    const made = world(before.storage);
    made.session.start("alice");
    made.session.enter("lobby");
    made.wire().welcome();
    made.wire().direct("bob", "psst");
    expect(made.session.conversations.find("@bob")?.unread).toBe(1);
  });

  it("keep no direct message in place of another page's", () => {
    const kept = new Map<string, unknown>();
    const store = { put: (value: unknown, key: unknown) => kept.set(String(key), value), delete: () => {} };
    const database = { transaction: () => ({ objectStore: () => store, commit: () => {} }) } as unknown as IDBDatabase;
    vi.useFakeTimers();
    const pages = [new Directs(database, "p."), new Directs(database, "p.")]; // none of them knows what there is
    for (const directs of [...pages, ...pages]) {
      vi.advanceTimersByTime(1);
      directs.keep("@bob", { sender: "bob", time: Date.now(), content: "x" });
    }
    expect(kept.size).toBe(4);
  });

  it("are read also where they are full to the last letter", () => {
    localStorage.setItem("tcpmsg.0.profile", "{}");
    const full = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
      throw new Error("no room");
    });
    expect(usable("localStorage")).toBe(localStorage);
    localStorage.clear();
    expect(usable("localStorage")).toBeInstanceOf(NoStorage);
    full.mockRestore();
  });

  it("say that unsent messages are not kept, of those messages alone", () => {
    const made = inLobby();
    made.session.outgoing.say("lobby", "too much");
    made.wire().storeError = new Error("no room");
    expect(made.session.unkept).toEqual(["messages that are not sent yet"]);
    made.wire().store(0, 1);
    made.session.outgoing.say("lobby", "there is room again");
    expect(made.session.unkept).toEqual([]);
    made.wire().storeError = new Error("no room again");
    expect(made.session.unkept).toEqual(["messages that are not sent yet"]);
  });

  it("say when direct messages are not kept", () => {
    const made = inLobby();
    expect(made.session.unkept).toEqual([]);
    made.wire().direct("bob", "psst");
    expect(made.session.unkept).toEqual(["direct messages"]);
  });
});

describe("locks that tabs ask each other for", () => {
  /** Tabs of one browser: each hears what the others say, some time later. */
  const browser = (): (() => Channel) => {
    const tabs: Channel[] = [];
    return () => {
      const tab: Channel = {
        onmessage: null,
        postMessage: (data: unknown) =>
          queueMicrotask(() => {
            for (const each of tabs) if (each !== tab) each.onmessage?.call(each as BroadcastChannel, { data } as MessageEvent);
          }),
      };
      tabs.push(tab);
      return tab;
    };
  };
  const taken = async (locks: Locks, options = {}): Promise<boolean> => {
    let result = false;
    await locks.request("tcpmsg.0", options, (lock) => {
      result = lock !== null;
      return undefined;
    });
    return result;
  };

  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("go to the first who asks, and not to a second", async () => {
    const tab = browser();
    const [one, two] = [new Claims(tab(), "one"), new Claims(tab(), "two")];
    const first = taken(one);
    await vi.advanceTimersByTimeAsync(ANSWER_TIME);
    expect(await first).toBe(true);
    const second = taken(two);
    await vi.advanceTimersByTimeAsync(ANSWER_TIME);
    expect(await second).toBe(false);
  });

  it("go to one of several that ask at the same time", async () => {
    const tab = browser();
    const all = ["c", "a", "b"].map((id) => taken(new Claims(tab(), id, () => 7)));
    await vi.advanceTimersByTimeAsync(ANSWER_TIME);
    expect(await Promise.all(all)).toEqual([false, true, false]);
  });

  it("go to who began earlier, though both wait", async () => {
    const tab = browser();
    const early = taken(new Claims(tab(), "z"));
    await vi.advanceTimersByTimeAsync(ANSWER_TIME - 1);
    const late = taken(new Claims(tab(), "a"));
    await vi.advanceTimersByTimeAsync(ANSWER_TIME);
    expect(await Promise.all([early, late])).toEqual([true, false]);
  });

  it("are waited for until a signal by who had them before", async () => {
    const tab = browser();
    const holder = tab();
    const [one, two] = [new Claims(holder, "one"), new Claims(tab(), "two")];
    const first = taken(one);
    await vi.advanceTimersByTimeAsync(ANSWER_TIME);
    expect(await first).toBe(true);
    const patience = new AbortController();
    const second = taken(two, { signal: patience.signal });
    await vi.advanceTimersByTimeAsync(3 * ANSWER_TIME);
    holder.onmessage = null; // its tab is closed
    await vi.advanceTimersByTimeAsync(2 * ANSWER_TIME);
    expect(await second).toBe(true);
    const third = taken(new Claims(tab(), "three"), { signal: patience.signal });
    const refused = expect(third).rejects.toThrow("not in time");
    patience.abort();
    await vi.advanceTimersByTimeAsync(ANSWER_TIME);
    await refused;
  });
});

describe("a room that is opened", () => {
  it("is read on from where one was, and older pages are loaded until that is found", async () => {
    vi.useFakeTimers(); // what is sought is given up after a while
    const storage = new PageStorage();
    const before = world(storage);
    before.session.enter("lobby");
    before.session.start("alice");
    before.wire().welcome();
    before.wire().join("lobby", 10, said(10, "bob", "read"));
    lobby(before).attend(true);
    before.profile.save();
    const made = world(storage);
    made.session.enterFirst();
    made.session.start("alice");
    made.wire().welcome();
    const room = lobby(made);
    made.wire().join("lobby", 900, said(899, "bob", "x"), said(900, "bob", "y"));
    expect([room.settled, room.divider, made.wire().asked.map(({ options }) => options.before)]).toEqual([false, 10, [899]]);
    made.wire().asked[0]?.answer({ messages: [message(400, "bob", "a"), message(401, "bob", "b")], more: true, head: 900, missed: null });
    await vi.advanceTimersByTimeAsync(0);
    expect(made.wire().asked.length).toBe(2);
    made.wire().asked[1]?.answer({ messages: [message(10, "bob", "read"), message(11, "bob", "first")], more: true, head: 900, missed: null });
    await vi.advanceTimersByTimeAsync(0);
    expect(room.settled).toBe(true);
    expect([room.unread, room.entries.length]).toEqual([5, 6]);
  });

  it("is not kept from who waits too long for that", async () => {
    vi.useFakeTimers();
    const before = world();
    before.profile.places.set("lobby", 10);
    before.profile.save();
    const late = world(before.storage);
    late.session.enter("lobby");
    late.session.start("alice");
    late.wire().welcome();
    late.wire().join("lobby", 900, said(900, "bob", "y"));
    expect(lobby(late).settled).toBe(false);
    await vi.advanceTimersByTimeAsync(SOUGHT_TIME);
    expect(lobby(late).settled).toBe(true);
  });

  it("is the server's room for who was nowhere yet", () => {
    const made = world();
    made.session.enterFirst();
    made.session.start("alice");
    expect([made.session.conversations.open, made.session.homeless]).toEqual([null, true]);
    made.wire().welcome("alice", { room: "hall" });
    expect([made.session.conversations.open?.name, made.session.homeless]).toEqual(["hall", false]);
    expect([...made.wire().subscriptions.keys()]).toEqual(["hall"]);
  });

  it("is the lobby where the server says nothing, or no room", () => {
    for (const details of [{}, { room: "<b>" }]) {
      const made = world();
      made.session.enterFirst();
      made.session.start("alice");
      made.wire().welcome("alice", details);
      expect(made.session.conversations.open?.name).toBe("lobby");
    }
  });

  it("shows what one has said while one was in it no longer, until it is seen in its place", () => {
    vi.useFakeTimers();
    const made = inLobby(said(1, "bob", "x"));
    const room = lobby(made);
    made.wire().tell("lobby", { kind: "ended", room: "lobby", error: failure("limit", "too many rooms") });
    made.wire().subscriptions.delete("lobby");
    made.session.outgoing.say("lobby", "am I heard?");
    made.wire().store(0, 2);
    vi.advanceTimersByTime(2 * ECHO_TIME);
    expect(room.sending.map(({ content, state }) => [content, state])).toEqual([["am I heard?", "stored"]]);
    made.session.rejoin(room);
    made.wire().join("lobby", 2, said(2, "alice", "am I heard?"));
    expect([texts(room), room.sending.length]).toEqual([["x", "am I heard?"], 0]);
    made.session.outgoing.say("lobby", "and now?");
    made.wire().store(0, 3);
    vi.advanceTimersByTime(ECHO_TIME);
    expect(room.sending.length).toBe(0);
  });

  it("is joined again when asked, after its subscription ended with an error", () => {
    const made = inLobby(said(5, "bob", "x"));
    made.wire().subscriptions.get("lobby")?.onEvents?.([{ kind: "ended", room: "lobby", error: failure("limit", "too many rooms") }]);
    made.wire().subscriptions.delete("lobby");
    const room = lobby(made);
    expect([room.ended?.message.includes("too many rooms"), room.people, room.error]).toEqual([true, null, null]);
    made.session.rejoin(room);
    expect(made.wire().subscriptions.get("lobby")?.from).toBe(6);
    made.wire().join("lobby", 6, said(6, "bob", "y"));
    expect([room.ended, texts(room)]).toEqual([null, ["x", "y"]]);
  });
});
