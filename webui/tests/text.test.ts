/** Texts: what becomes of them, whatever they are. */

import { describe, expect, it } from "vitest";
import { isPlace, mentions } from "../src/model/grammar";
import { beginning, kindOf, size } from "../src/text/kinds";
import { MOST_CHARACTERS, shorten } from "../src/text/length";
import { MOST_PIECES, parse, safeHref, visible } from "../src/text/parse";
import { dayName, dayOf, shortTime, timeOfDay } from "../src/text/times";
import { sendCommand } from "../src/ui/command";
import { tint, TINTS } from "../src/ui/names";

const inlines = (text: string): unknown[] => {
  const [block] = parse(text);
  return block?.kind === "prose" ? block.inlines.map(({ kind, text: words }) => [kind, words]) : [];
};

describe("parse", () => {
  it("finds code, links and mentions", () => {
    expect(inlines("hi @bob, see https://a.example/x?y=1. `rm -rf` it")).toEqual([
      ["text", "hi "],
      ["mention", "@bob"],
      ["text", ", see "],
      ["link", "https://a.example/x?y=1"],
      ["text", ". "],
      ["code", "rm -rf"],
      ["text", " it"],
    ]);
  });
  it("leaves what only looks like them", () => {
    for (const text of ["a@b.example", "x@bob", "`unclosed", "@", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://", "a*b*c _d_"]) {
      expect(inlines(text)).toEqual([["text", text]]);
    }
  });
  it("ends links where sentences end", () => {
    for (const [text, link] of [
      ["(see https://a.example/b)", "https://a.example/b"],
      ["https://a.example/b_(c)!", "https://a.example/b_(c)"],
      ["<https://a.example/>", "https://a.example/"],
      ["https://a.example/x...", "https://a.example/x"],
    ]) {
      expect(inlines(text ?? "")).toContainEqual(["link", link]);
    }
  });
  it("ends a mention where the sentence ends", () => {
    expect(inlines("ask @bob.")).toEqual([["text", "ask "], ["mention", "@bob"], ["text", "."]]);
    expect(inlines("ask @b.ob-1")).toContainEqual(["mention", "@b.ob-1"]);
    const [block] = parse("@J.R.: and @bob.", "j.r.");
    expect(block?.kind === "prose" && block.inlines.map(({ text }) => text)).toEqual(["@J.R.", ": and ", "@bob", "."]);
  });
  it("cuts out fenced code, with its language", () => {
    expect(parse("before\n```python\nprint(1)\n\nprint(2)\n```\nafter")).toEqual([
      { kind: "prose", inlines: [{ kind: "text", text: "before" }] },
      { kind: "code", language: "python", text: "print(1)\n\nprint(2)" },
      { kind: "prose", inlines: [{ kind: "text", text: "after" }] },
    ]);
    expect(parse("```x = `1`; @bob```")).toEqual([{ kind: "code", language: "", text: "x = `1`; @bob" }]);
    expect(parse("```\nnever closed")).toEqual([{ kind: "prose", inlines: [{ kind: "text", text: "```\nnever closed" }] }]);
  });
  it("makes no more than so many pieces, and loses no text", () => {
    const text = "https://a.example/ @b ".repeat(2 * MOST_PIECES);
    const [block] = parse(text);
    if (block?.kind !== "prose") throw new Error("no prose");
    expect(block.inlines.filter(({ kind }) => kind !== "text").length).toBeLessThanOrEqual(MOST_PIECES + 1);
    expect(block.inlines.map((each) => each.text).join("")).toBe(text);
    expect(parse("```\na\n```\n".repeat(3 * MOST_PIECES)).length).toBeLessThan(2 * MOST_PIECES);
  });
  it("takes time in proportion to the text", { timeout: 60_000 }, () => {
    const hostile = ["`", "```\n", "https://", "@", "(((", "```a\n```", "@a.-", "mailto:x "];
    // quadratic, it would take hours
    for (const part of hostile) expect(parse(part.repeat(200_000 / part.length))).not.toHaveLength(0);
  });
  it("shows what would show nothing, or turn the rest round", () => {
    expect(visible("a\u0007b\u001b[31m\u007f\u202ec\u2066d\r\ne\tf")).toBe("a␇b␛[31m␡�c�d\ne\tf");
    expect(visible("שלום عليكم 👩‍👩‍👧")).toBe("שלום عليكم 👩‍👩‍👧");
  });
});

describe("safeHref", () => {
  it("takes three schemes", () => {
    expect(safeHref("https://münchen.example/ä")).toBe("https://xn--mnchen-3ya.example/%C3%A4");
    expect(safeHref("mailto:a@b.example")).toBe("mailto:a@b.example");
    for (const link of ["javascript:alert(1)", "JaVaScRiPt:x", "vbscript:x", "data:text/html,x", "blob:x", "//a.example", "x"]) {
      expect(safeHref(link)).toBeNull();
    }
  });
});

describe("mentions", () => {
  it("calls for one person, in any case", () => {
    expect(mentions("hey @Alice!", "alice")).toBe(true);
    expect(mentions("@alice.", "alice")).toBe(true);
    for (const text of ["alice", "x@alice", "@alice2", "@alicex", "@al"]) expect(mentions(text, "alice")).toBe(false);
    for (const text of ["@j.r. is it", "(@J.R.)", "for @j.r.."]) expect(mentions(text, "J.R.")).toBe(true);
    expect([mentions("@j.r is it", "J.R."), mentions("@", "")]).toEqual([false, false]);
  });
  it("knows places", () => {
    for (const place of ["lobby", "a.b-c_d", "@bob", "x".repeat(32)]) expect(isPlace(place)).toBe(true);
    for (const place of ["", "@", "a b", "ä", "x".repeat(33), "@" + "x".repeat(25), "#a", "<b>"]) expect(isPlace(place)).toBe(false);
  });
});

describe("shorten", () => {
  it("leaves short texts whole", () => {
    for (const text of ["", "x", "a\nb\nc", "x".repeat(MOST_CHARACTERS)]) expect(shorten(text)).toEqual({ text, lines: 0, whole: true });
  });
  it("cuts at a line, and says how many are left", () => {
    const text = Array.from({ length: 100 }, (_, line) => `line ${line}`).join("\n");
    const short = shorten(text);
    expect(short.whole).toBe(false);
    expect(short.text.split("\n").length + short.lines).toBe(100);
    expect(text.startsWith(short.text)).toBe(true);
  });
  it("cuts a line that is too long, not within a character", () => {
    const short = shorten("😀".repeat(5000));
    expect(short.whole).toBe(false);
    expect(short.text).toMatch(/^(😀)+$/u);
  });
  it("closes code that it cuts", () => {
    expect(parse(shorten("```\n" + "code\n".repeat(100) + "```").text)[0]?.kind).toBe("code");
  });
});

describe("kinds", () => {
  it("guesses by how bytes begin", () => {
    expect(kindOf(new Uint8Array([0x89, 0x50, 0x4e, 0x47, 1])).name).toBe("PNG image");
    expect(kindOf(new TextEncoder().encode("RIFF....WEBPVP8"))).toEqual({ name: "WebP image", extension: "webp" });
    expect(kindOf(new Uint8Array([0, 1])).name).toBe("Binary data");
    expect(kindOf(new Uint8Array()).extension).toBe("bin");
  });
  it("says how much", () => {
    expect([0, 1, 1023, 1024, 1536, 1048576, 5e9].map(size)).toEqual(["0 bytes", "1 byte", "1023 bytes", "1.0 KiB", "1.5 KiB", "1.0 MiB", "4.7 GiB"]);
    expect(beginning(new Uint8Array([1, 255]))).toBe("01 ff");
  });
});

describe("days", () => {
  it("are told by the local calendar", () => {
    const noon = new Date(2026, 2, 29, 12).getTime();
    expect(dayOf(new Date(2026, 2, 29, 23, 59).getTime())).toBe(dayOf(noon));
    expect(dayOf(new Date(2026, 2, 30, 0, 1).getTime())).not.toBe(dayOf(noon));
    expect(dayName(noon, noon)).toBe("Today");
    expect(dayName(new Date(2026, 2, 28, 23).getTime(), noon)).toBe("Yesterday");
    expect(dayName(new Date(2020, 0, 1).getTime(), noon)).toMatch(/2020/);
  });
});

describe("times", () => {
  it("are short in the gutter, whatever the language", () => {
    const time = new Date(2026, 0, 2, 15, 4).getTime();
    expect(timeOfDay(time)).toMatch(/04/);
    expect(shortTime(time)).toMatch(/^\d\d?:04$/);
  });
});

describe("names", () => {
  it("have one of the colours that there are, however long", () => {
    const there = new Set(Array.from({ length: TINTS }, (_, number) => `tint-${number}`));
    for (const name of ["a", "guest-10", "alice", "W".repeat(24), "__proto__", "sensor.hall-b.7"]) expect(there).toContain(tint(name));
  });
});

describe("sendCommand", () => {
  const shown = (address: string): string => sendCommand("lobby", "--whole", new URL(address) as unknown as Location);
  it("names the server of the page, unless it is the one that the command takes by itself", () => {
    for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
      expect(shown(`http://${host}:5050/`)).toBe("tcpmsg send lobby --whole");
    }
    expect(shown("http://127.0.0.1:5051/")).toBe("tcpmsg send lobby --whole --server 127.0.0.1:5051");
    expect(shown("http://lab.example/")).toBe("tcpmsg send lobby --whole --server lab.example:80");
    expect(shown("http://[2001:db8::1]:5050/")).toBe("tcpmsg send lobby --whole --server '[2001:db8::1]:5050'");
  });
  it("uses TLS where the page does", () => {
    expect(shown("https://lab.example/")).toBe("tcpmsg send lobby --whole --server tcpmsgs://lab.example:443");
    expect(shown("https://127.0.0.1:5050/")).toBe("tcpmsg send lobby --whole --server tcpmsgs://127.0.0.1:5050");
  });
});
