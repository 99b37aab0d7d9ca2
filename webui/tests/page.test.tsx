/** The page: what one sees and can do, by the names that a screen reader says. */

import { act, render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactElement } from "react";
import { describe, expect, it, vi } from "vitest";
import { tell } from "../src/model/observable";
import { App } from "../src/ui/App";
import { sendCommand } from "../src/ui/command";
import { failure, inLobby, PATIENT, said, world, type World } from "./fake";

vi.mock("react-virtuoso", () => import("./everything"));

function page({ session, preferences }: World, suggested = ""): ReactElement {
  return <App session={session} preferences={preferences} identity={{ second: false }} suggested={suggested} />;
}

const box = (): HTMLElement => screen.getByRole("textbox", { name: /^Message to/ });
const log = (): HTMLElement => screen.getByRole("log");
const does = (what: () => void): void => act(() => {
  what();
  tell();
});

describe("coming in", () => {
  it("asks for a name, says the rule, and goes in", async () => {
    const user = userEvent.setup();
    const made = world();
    render(page(made));
    const field = screen.getByRole("textbox", { name: "What shall others call you?" });
    await user.type(field, "a b<");
    expect(screen.getByRole("alert").textContent).toContain("1 to 24 letters");
    await user.clear(field);
    await user.type(field, "alice{Enter}");
    does(() => {});
    does(() => made.wire().welcome());
    expect(box()).toBeTruthy();
    expect(made.profile.name).toBe("alice");
    expect(location.hash).toBe("#lobby");
  });

  it("goes where the address says", async () => {
    const user = userEvent.setup();
    location.hash = "#builds";
    const made = world();
    render(page(made, "alice"));
    await user.click(screen.getByRole("button", { name: "Join" }));
    does(() => {});
    expect(made.session.conversations.open?.name).toBe("builds");
  });
});

describe("a conversation", () => {
  it("shows messages, links, code and bytes, and no markup", () => {
    const made = inLobby(said(1, "bob", "<img src=x onerror=alert(1)> see https://a.example/ and javascript:alert(1)"));
    render(page(made));
    does(() =>
      made.wire().tell(
        "lobby",
        said(2, "ci", "```sh\nmake\n```"),
        said(3, "bob", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0])),
        said(4, "bob", "@alice you"),
      ),
    );
    expect(log().textContent).toContain("<img src=x onerror=alert(1)>");
    expect(log().querySelector("img")).toBeNull();
    const links = within(log()).getAllByRole("link");
    expect(links.map((link) => [link.getAttribute("href"), link.getAttribute("rel")])).toEqual([["https://a.example/", "noopener noreferrer"]]);
    expect(within(log()).getByRole("region", { name: "Code, sh" }).textContent).toContain("make");
    expect(within(log()).getByRole("button", { name: "Download PNG image, 5 bytes" })).toBeTruthy();
    expect(log().querySelector(".row-calls")?.textContent).toContain("@alice");
  });

  it("says how much of a huge message one more click shows", () => {
    const made = inLobby(said(1, "bob", "x".repeat(250_000)));
    render(page(made));
    expect(within(log()).getByRole("button", { name: /^Show 100\D000 of 250\D000 characters$/ })).toBeTruthy();
    expect(within(log()).getByRole("button", { name: "Download the whole text" })).toBeTruthy();
  });

  it("shows the beginning of a long text, and the rest when asked", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "bob", "x"));
    render(page(made));
    const long = Array.from({ length: 300 }, (_, line) => `line ${line}`).join("\n");
    does(() => made.wire().tell("lobby", said(2, "bob", long)));
    expect(log().textContent).not.toContain("line 299");
    await user.click(within(log()).getByRole("button", { name: /Show \d+ more lines/ }));
    expect(log().textContent).toContain("line 299");
  });

  it("is empty with a word about it, and waits with a skeleton", () => {
    const made = world();
    made.session.enter("lobby");
    made.session.start("alice");
    render(page(made));
    expect(screen.getByRole("status", { name: "Loading lobby" })).toBeTruthy();
    does(() => {
      made.wire().welcome();
      made.wire().join("lobby", 0);
    });
    expect(screen.getByRole("heading", { name: "lobby is quiet" })).toBeTruthy();
  });

  it("says to a screen reader what comes", () => {
    const made = inLobby(said(1, "bob", "old"));
    render(page(made));
    does(() => made.wire().tell("lobby", said(2, "bob", "good morning")));
    expect(document.querySelector("[data-spoken]")?.textContent).toBe("bob: good morning");
    does(() => made.wire().tell("lobby", ...[3, 4, 5, 6].map((seq) => said(seq, "ci", "x"))));
    expect(document.querySelector("[data-spoken]")?.textContent).toBe("4 new messages in lobby, the last from ci");
  });
});

describe("the keyboard", () => {
  it("stays where it was put last, however late a frame comes", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "bob", "hi"));
    render(page(made));
    const frames: FrameRequestCallback[] = [];
    const asked = vi.spyOn(window, "requestAnimationFrame").mockImplementation((frame) => frames.push(frame));
    try {
      await user.type(box(), "{ArrowUp}");
      expect(document.activeElement?.textContent).toContain("hi");
      await user.click(screen.getByRole("button", { name: "Mention bob" }));
      expect(document.activeElement).toBe(box());
      expect(frames.length).toBeGreaterThan(0);
      for (const frame of frames.splice(0)) does(() => frame(0));
      expect(document.activeElement).toBe(box());
    } finally {
      asked.mockRestore();
    }
  });
});

describe("writing", () => {
  it("sends on Enter, and not on Shift+Enter nor inside code", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    render(page(made));
    await user.type(box(), "one{Shift>}{Enter}{/Shift}two{Enter}");
    expect(made.wire().outbox.map(({ payload }) => new TextDecoder().decode(payload))).toEqual(["one\ntwo"]);
    await user.type(box(), "```{Enter}code{Enter}```{Enter}");
    expect(made.wire().outbox.length).toBe(2);
    await user.type(box(), "   {Enter}");
    expect(made.wire().outbox.length).toBe(2);
  });

  it("offers names, and takes one by the keyboard", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "bertha", "hi"));
    render(page(made));
    await user.type(box(), "hey @b");
    const offered = within(screen.getByRole("listbox", { name: "People to mention" })).getAllByRole("option");
    expect(offered.map((each) => each.textContent)).toEqual(["BEbertha", "BObob"]);
    await user.keyboard("{ArrowDown}{Enter}");
    expect((box() as HTMLTextAreaElement).value).toBe("hey @bob ");
    expect(made.wire().outbox.length).toBe(0);
  });

  it("offers who comes while nobody is offered, and moves nobody who is", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "alice", "hi"));
    render(page(made));
    await user.type(box(), "hey @z");
    expect(screen.queryByRole("listbox", { name: "People to mention" })).toBeNull();
    does(() => made.wire().tell("lobby", { kind: "here", room: "lobby", names: ["alice", "zoe"], cut: 0 }));
    const offered = (): (string | null)[] => within(screen.getByRole("listbox", { name: "People to mention" })).getAllByRole("option").map((each) => each.textContent);
    expect(offered()).toEqual(["ZOzoe"]);
    does(() => made.wire().tell("lobby", said(2, "zacharias", "me too")));
    expect(offered()).toEqual(["ZOzoe"]);
    await user.keyboard("{Tab}");
    expect((box() as HTMLTextAreaElement).value).toBe("hey @zoe ");
  });

  it("refuses what the server would, and says what to do", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    render(page(made));
    await user.click(box());
    await user.paste("é".repeat(600));
    expect(screen.getByRole("alert").textContent).toContain("1,200 bytes; the server takes 1,000 at most");
    expect(screen.getByRole("button", { name: "Send" })).toHaveProperty("disabled", true);
    does(() => made.wire().lose());
    expect(screen.getByRole("alert").textContent).toContain("1,200 bytes; the server takes 1,000 at most");
  });

  it("sends a table with wide gaps at once", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "bob", "x"));
    does(() => made.wire().welcome("alice", { max_payload: 1_000_000 }));
    render(page(made));
    const table = `one${" ".repeat(300_000)}two`;
    await user.click(box());
    await user.paste(`${table}\n\n`);
    await user.keyboard("{Enter}"); // it would stand still for more than a minute, if each gap were gone through again from each of its spaces
    expect(made.session.conversations.find("lobby")?.sending.map(({ content }) => content)).toEqual([table]);
  }, 60_000);

  it("keeps what is begun, in each conversation", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    made.session.enter("builds");
    made.session.enter("lobby");
    render(page(made));
    await user.type(box(), "half a thou");
    await user.click(screen.getByRole("button", { name: /builds/ }));
    does(() => {});
    expect((box() as HTMLTextAreaElement).value).toBe("");
    await user.click(screen.getByRole("button", { name: /^#?lobby/ }));
    does(() => {});
    expect((box() as HTMLTextAreaElement).value).toBe("half a thou");
  });

  it("that failed can be sent again or edited", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "bob", "x"));
    render(page(made));
    await user.type(box(), "no{Enter}");
    does(() => made.wire().refuse(failure("limit", "the room is full")));
    expect(log().textContent).toContain("Not sent: the room is full");
    await user.click(screen.getByRole("button", { name: "Send again" }));
    does(() => {});
    does(() => made.wire().refuse(failure("limit", "still full")));
    await user.click(screen.getByRole("button", { name: "Edit" }));
    does(() => {});
    expect((box() as HTMLTextAreaElement).value).toBe("no");
    expect(log().textContent).not.toContain("still full");
  });
});

describe("a line that begins with a slash", () => {
  const texts = ({ wire }: World): string[] => wire().outbox.map(({ payload }) => new TextDecoder().decode(payload));

  it("is a command: /me says what one does, in the form of the terminal", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "bob", "* bob waves"), said(2, "bob", "* carol waves"));
    render(page(made));
    await user.type(box(), "/me waves back{Enter}");
    expect(texts(made)).toEqual(["* alice waves back"]);
    expect([...log().querySelectorAll(".row-action")].map((row) => row.querySelector(".text")?.textContent)).toEqual(["* bob waves", "* alice waves back"]);
    await user.type(box(), "/me{Enter}");
    expect(screen.getByRole("alert").textContent).toContain("/me TEXT");
    expect(texts(made).length).toBe(1);
  });

  it("is not sent if nothing is called so, and stays to be mended", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    render(page(made));
    await user.type(box(), "/hlep{Enter}");
    expect(screen.getByRole("alert").textContent).toContain("There is no command /hlep, and nothing was sent. /help lists the commands");
    expect((box() as HTMLTextAreaElement).value).toBe("/hlep");
    expect(texts(made)).toEqual([]);
    await user.type(box(), "x");
    expect(screen.queryByRole("alert")).toBeNull();
    await user.clear(box());
    await user.type(box(), "//hlep{Enter}");
    expect(texts(made)).toEqual(["/hlep"]);
  });

  it("lists the commands, each of which works", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    render(page(made));
    await user.type(box(), "/help{Enter}");
    const listed = [...screen.getByRole("dialog", { name: "Commands" }).querySelectorAll("kbd")].map((each) => each.textContent);
    expect(listed).toEqual(["/me TEXT", "/msg NAME TEXT", "/join ROOM", "/part [ROOM]", "/nick NAME", "/help", "//text"]);
    await user.keyboard("{Escape}");
    await user.click(screen.getByRole("button", { name: "Close" }));
    await user.type(box(), "/msg bob psst, bob{Enter}");
    does(() => {});
    expect([made.session.conversations.open?.name, texts(made)]).toEqual(["@bob", ["psst, bob"]]);
    await user.type(box(), "/join builds{Enter}");
    does(() => {});
    expect(made.session.conversations.open?.name).toBe("builds");
    await user.type(box(), "/part{Enter}");
    does(() => {});
    expect([...made.wire().subscriptions.keys()]).toEqual(["lobby"]);
    await user.type(box(), "/nick ann{Enter}");
    does(() => {});
    expect(made.wire().name).toBe("ann");
  });

  it("takes names as they are written in texts, and leaves another room, as the terminal does", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    render(page(made));
    await user.type(box(), "/join #builds{Enter}");
    does(() => {});
    expect(made.session.conversations.open?.name).toBe("builds");
    await user.type(box(), "/part #lobby{Enter}");
    does(() => {});
    expect([...made.wire().subscriptions.keys()]).toEqual(["builds"]);
    await user.type(box(), "/msg @bob psst{Enter}");
    does(() => {});
    expect([made.session.conversations.open?.name, texts(made)]).toEqual(["@bob", ["psst"]]);
  });

  it("says what is wrong with a command that cannot be, and changes nothing", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    render(page(made));
    for (const [line, reason] of [
      ["/msg bob", "/msg NAME TEXT. A name is"],
      ["/msg b/b psst", "/msg NAME TEXT. A name is"],
      ["/join no room", "/join ROOM. A room"],
      ["/part builds", "You are not in builds."],
      ["/nick b/b", "/nick NAME. A name is"],
    ] as const) {
      await user.type(box(), `${line}{Enter}`);
      expect(screen.getByRole("alert").textContent).toContain(reason);
      await user.clear(box());
    }
    expect([texts(made), made.session.conversations.open?.name, made.wire().name]).toEqual([[], "lobby", "alice"]);
  });
});

describe("a file that is dropped", () => {
  const drop = (target: Element, ...types: string[]): Event => {
    const event = Object.assign(new Event("drop", { bubbles: true, cancelable: true }), { dataTransfer: { types } });
    does(() => target.dispatchEvent(event));
    return event;
  };

  it("does not take the browser away, and is told how it can be sent", () => {
    const made = inLobby();
    render(page(made));
    expect(drop(document.body, "Files").defaultPrevented).toBe(true);
    expect(document.querySelector(".notice")?.textContent).toContain(`${sendCommand("lobby", "--whole")} < FILE`);
    expect(drop(box(), "Files").defaultPrevented).toBe(true);
  });

  it("differs from a text, which may be dropped where one writes and nowhere else", () => {
    const made = inLobby();
    render(page(made));
    expect(drop(box(), "text/plain").defaultPrevented).toBe(false);
    expect(drop(document.body, "text/uri-list").defaultPrevented).toBe(true);
    expect(document.querySelector(".notice")).toBeNull();
  });
});

describe("a browser with no room left", () => {
  it("is told of, and what it does not keep, until it has room again", () => {
    const made = inLobby(said(1, "bob", "x"));
    render(page(made));
    const full = vi.spyOn(made.storage, "setItem").mockImplementation(() => {
      throw new Error("no room");
    });
    does(() => made.profile.save());
    expect(document.querySelector(".banner")?.textContent).toContain("A reload would lose drafts and what you have read; what was kept before stays.");
    does(() => made.wire().direct("bob", "psst"));
    expect(document.querySelector(".banner")?.textContent).toContain("drafts, what you have read and direct messages;");
    full.mockRestore();
    does(() => made.profile.save());
    expect(document.querySelector(".banner")?.textContent).toContain("A reload would lose direct messages;");
  });

  it("is told of also while there is no connection, when it matters", () => {
    const made = inLobby(said(1, "bob", "x"));
    render(page(made));
    does(() => made.wire().lose());
    does(() => {
      made.session.outgoing.say("lobby", "not kept");
      made.wire().storeError = new Error("no room");
    });
    does(() => made.session.nudge());
    const banners = [...document.querySelectorAll(".banner")].map((each) => each.textContent);
    expect(banners).toEqual([
      expect.stringContaining("1 message waits and is sent then."),
      expect.stringContaining("A reload would lose messages that are not sent yet;"),
    ]);
  });
});

describe("a text that comes back", () => {
  it("stands below what is being written", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "bob", "x"));
    render(page(made));
    await user.type(box(), "no{Enter}");
    does(() => made.wire().refuse(failure("limit", "the room is full")));
    await user.type(box(), "a new thought");
    await user.click(screen.getByRole("button", { name: "Edit" }));
    does(() => {});
    expect((box() as HTMLTextAreaElement).value).toBe("a new thought\nno");
  });
});

describe("a room that one is in no longer", () => {
  it("says so, and why, and can be joined again", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "bob", "x"));
    render(page(made));
    does(() => made.wire().tell("lobby", { kind: "ended", room: "lobby", error: failure("limit", "too many rooms") }));
    made.wire().subscriptions.delete("lobby");
    expect(screen.getByRole("alert").textContent).toMatch(/You are no longer in lobby.*Too many rooms\./);
    expect(log().textContent).toContain("x");
    expect(screen.getByText("Who is here shows when you are in lobby.")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Join again" }));
    does(() => made.wire().join("lobby", 1));
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("or never was, can be tried again", async () => {
    const user = userEvent.setup();
    const made = world();
    made.session.enter("lobby");
    made.session.start("alice");
    made.wire().welcome();
    render(page(made));
    does(() => made.wire().tell("lobby", { kind: "ended", room: "lobby", error: failure("limit", "too many rooms") }));
    made.wire().subscriptions.delete("lobby");
    expect(screen.getByRole("heading", { name: "lobby cannot be opened" })).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Try again" }));
    does(() => made.wire().join("lobby", 0));
    expect(screen.getByRole("heading", { name: "lobby is quiet" })).toBeTruthy();
  });
});

describe("the connection", () => {
  it("that is lost is told, with what becomes of messages", async () => {
    const user = userEvent.setup();
    const made = inLobby(said(1, "bob", "x"));
    render(page(made));
    does(() => made.wire().lose());
    expect(document.querySelector(".banner")?.textContent).toMatch(/The server does not answer\. Trying again in \d s\. What you write is kept/);
    await user.type(box(), "later{Enter}");
    does(() => {});
    expect(document.querySelector(".banner")?.textContent).toContain("1 message waits");
    expect(log().textContent).toContain("Waiting for a connection");
    await user.click(screen.getByRole("button", { name: "Try now" }));
    expect(made.wire().nudges).toBe(1);
    does(() => made.wire().welcome());
    expect(document.querySelector(".banner")).toBeNull();
  });

  it("that another tab took is given back when asked", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    render(page(made));
    does(() => made.wire().become({ phase: "ended", reason: failure("superseded", "taken over") }));
    const before = made.wire();
    await user.click(screen.getByRole("button", { name: "Go on here" }));
    does(() => {});
    expect(made.wire()).not.toBe(before);
  });

  it("that is refused says why", () => {
    const made = inLobby();
    render(page(made));
    does(() => made.wire().become({ phase: "ended", reason: failure("version", "this server speaks version 2") }));
    expect(screen.getByRole("alert").textContent).toContain("This server speaks version 2");
  });
});

describe("the list of conversations", () => {
  it("counts what is unread, and says what is for oneself", () => {
    const made = inLobby();
    made.session.enter("builds");
    made.session.enter("lobby");
    made.wire().join("builds", 0);
    render(page(made));
    does(() => made.wire().tell("builds", said(1, "ci", "a"), said(2, "ci", "@alice b"), said(3, "ci", "c")));
    expect(screen.getByRole("button", { name: /builds ?, 3 unread, 1 for you/ })).toBeTruthy();
    expect(document.title).toBe("(1) lobby – tcpmsg");
  });

  it("leads to rooms and people by a few letters", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    made.wire().roomList = [{ room: "builds", head: 3, members: 2 }];
    render(page(made));
    await user.keyboard("{Control>}k{/Control}");
    const field = screen.getByRole("combobox");
    await vi.waitFor(() => expect(screen.getAllByRole("option").map((each) => each.textContent)).toContain("#builds2 here"), PATIENT);
    await user.type(field, "new");
    expect(screen.getByRole("option").textContent).toContain("Create new");
    await user.clear(field);
    await user.type(field, "no room");
    expect(screen.getByRole("alert").textContent).toContain("1 to 32 letters");
    await user.clear(field);
    await user.type(field, "@b o");
    expect(screen.getByRole("alert").textContent).toContain("1 to 24 letters");
    await user.clear(field);
    await user.type(field, "@bo{Enter}");
    does(() => {});
    expect(made.session.conversations.open?.name).toBe("@bob");
  });
});

describe("settings", () => {
  it("change the theme and the name", async () => {
    const user = userEvent.setup();
    const made = inLobby();
    render(page(made));
    await user.click(screen.getByRole("button", { name: "Settings" }));
    await user.click(screen.getByRole("radio", { name: "Dark" }));
    does(() => {});
    expect(document.documentElement.dataset["theme"]).toBe("dark");
    const field = screen.getByRole("textbox", { name: "Your name" });
    await user.clear(field);
    await user.type(field, "carol");
    await user.click(screen.getByRole("button", { name: "Change" }));
    does(() => {});
    expect(made.wire().name).toBe("carol");
  });
});
