/** Frames, headers and replies, and the vectors that every decoder of the protocol must pass. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { encodeText } from "../../src/wire/bytes.js";
import { type Frame, FrameDecoder } from "../../src/wire/decoder.js";
import { ProtocolError } from "../../src/wire/errors.js";
import { encodeHeader, parseHeader } from "../../src/wire/header.js";
import { parseReply } from "../../src/wire/replies.js";
import * as requests from "../../src/wire/requests.js";

interface Vector {
  name: string;
  header_size: number;
  max_payload: number;
  in: string;
  frames: { words: string[]; payload: string }[];
  error: string | null;
}

const VECTORS = readFileSync(new URL("../../../conformance/frames.jsonl", import.meta.url), "ascii")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Vector);

function decode(vector: Vector, pieces: Uint8Array[]): Pick<Vector, "frames" | "error"> {
  const decoder = new FrameDecoder(vector.header_size, vector.max_payload);
  const frames: Vector["frames"] = [];
  try {
    for (const piece of pieces) {
      for (const { words, payload } of decoder.feed(piece)) {
        frames.push({ words: [...words], payload: Buffer.from(payload).toString("hex") });
      }
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) {
      throw error;
    }
    return { frames, error: error.code };
  }
  return { frames, error: null };
}

describe("the decoder", () => {
  it("has enough vectors", () => {
    expect(VECTORS.length).toBeGreaterThanOrEqual(60);
  });

  it.each(VECTORS.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    const stream = Buffer.from(vector.in, "hex");
    const expected = { frames: vector.frames, error: vector.error };
    expect(decode(vector, [stream])).toEqual(expected);
    if (stream.length <= 3000) {
      expect(
        decode(
          vector,
          Array.from(stream, (byte) => Buffer.of(byte)),
        ),
      ).toEqual(expected);
      for (let at = 1; at < stream.length; at += 7) {
        expect(decode(vector, [stream.subarray(0, at), stream.subarray(at)])).toEqual(expected);
      }
    }
  });

  it("takes no memory for what is only announced", () => {
    const decoder = new FrameDecoder(128, 10 ** 9);
    expect([...decoder.feed(encodeHeader(10 ** 9))]).toEqual([]);
    expect(decoder.buffered).toBe(0);
    expect([...decoder.feed(new Uint8Array(1000))]).toEqual([]);
    expect(decoder.buffered).toBe(1000);
  });

  it("is linear: a large frame in small pieces is not copied for each", () => {
    const size = 8 * 1024 * 1024;
    const decoder = new FrameDecoder(128, size);
    expect([...decoder.feed(encodeHeader(size))]).toEqual([]);
    const piece = new Uint8Array(1024).fill(120);
    let frames: Frame[] = [];
    for (let at = 0; at < size; at += piece.length) {
      frames = [...decoder.feed(piece)]; // 8192 pieces: a copy for each would be 32 GiB
    }
    expect(frames.map(({ payload }) => payload.length)).toEqual([size]);
    expect(frames[0]?.payload.every((byte) => byte === 120)).toBe(true);
  });

  it("hands over payloads that keep no larger piece alive", () => {
    const decoder = new FrameDecoder();
    const stream = Buffer.concat([
      encodeHeader(2),
      encodeText("hi"),
      new Uint8Array(100_000).fill(32),
    ]);
    const { value } = decoder.feed(stream).next() as { value: Frame };
    expect(value.payload.buffer.byteLength).toBe(2);
  });

  it.each([3, 2049, Number.NaN])("refuses headers of %s bytes", (width) => {
    expect(() => new FrameDecoder(width)).toThrow(RangeError);
  });
});

describe("headers", () => {
  it("are padded on the right", () => {
    const header = encodeHeader(5, ["PUB", "lobby", "7"]);
    expect(Buffer.from(header).toString()).toBe("5 PUB lobby 7".padEnd(128));
    expect(parseHeader(header)).toEqual({ length: 5, words: ["PUB", "lobby", "7"] });
  });

  it.each([
    [-1, []],
    [1.5, []],
    [10 ** 10, []],
    [0, ["pub"]],
    [0, ["PUB", ""]],
    [0, ["PUB", "a b"]],
    [0, ["PUB", "ä"]],
    [0, ["PUB", "a\n"]],
    [0, ["PUB", "x".repeat(123)]],
  ])("refuse %s and %j", (length, words) => {
    expect(() => encodeHeader(length, words)).toThrow(RangeError);
  });

  it("fit to the last byte", () => {
    expect(encodeHeader(0, ["PUB", "x".repeat(122)]).length).toBe(128);
  });

  it("are quoted escaped and bounded", () => {
    const bytes = new Uint8Array(128).fill(0x20);
    bytes.set(encodeText(`5\n'\\\u00e4${"x".repeat(60)}`));
    expect(() => parseHeader(bytes)).toThrow(/begins '5\\x0a\\'\\\\\\xc3\\xa4x{42}'\.\.\.$/);
  });
});

function reply(line: string, payload = "") {
  return parseReply({ words: line.split(" ").filter(Boolean), payload: encodeText(payload) });
}

describe("replies", () => {
  it("are read", () => {
    expect(reply("ACK 9223372036854775807 2 dup")).toEqual({
      verb: "ACK",
      id: 9223372036854775807n,
      seq: 2,
      dup: true,
    });
    expect(reply("ACK 1 2 later")).toMatchObject({ dup: false });
    expect(reply("HERE lobby mood=good cut=3", '["bob"]')).toMatchObject({
      names: ["bob"],
      cut: 3,
    });
    expect(reply("ROOMS cut=1", "[{}]")).toEqual({ verb: "ROOMS", rooms: [{}], cut: 1 });
    expect(reply("ERR too-large PUB 7", "it is")).toEqual({
      verb: "ERR",
      code: "too-large",
      reason: "it is",
      about: "PUB",
      subject: "7",
    });
    expect(reply("MSG lobby 1 bob 2 kind=file parts=3")).toMatchObject({
      extras: ["kind=file", "parts=3"],
    });
  });

  it("pass over what is not known", () => {
    expect(reply("SHOUT lobby", "hey")).toBeNull();
    expect(reply("")).toBeNull();
  });

  it.each([
    ["WELCOME alice", "{}"],
    ["WELCOME al*ce 0", "{}"],
    ["WELCOME alice 0", "[]"],
    ["WELCOME alice 0", "{"],
    ["WELCOME alice 9223372036854775808", "{}"],
    ["ACK 1", ""],
    ["ACK -1 1", ""],
    ["ACK 1 1e3", ""],
    ["MSG lobby 9007199254740992 bob 0", ""],
    ["MSG lobby 1 bob", ""],
    ["MSG lobby 1 b*b 0", ""],
    ["MISSED lobby 1", ""],
    ["HERE lobby", '["bob", 5]'],
    ["HERE lobby", '["<script>"]'],
    ["HERE lobby cut=x", "[]"],
    ["ROOMS", "[[]]"],
    ["JOIN lobby", ""],
    [`PING ${"x".repeat(65)}`, ""],
    ["", "a plain message"],
  ])("refuse %s %s", (line, payload) => {
    expect(() => reply(line, payload)).toThrow(ProtocolError);
  });

  it("refuse JSON that is not UTF-8, without quoting it", () => {
    const payload = Uint8Array.of(0x5b, 0xff, 0x5d);
    expect(() => parseReply({ words: ["ROOMS"], payload })).toThrow(/as JSON is not/);
  });

  it("refuse JSON with more than eight levels, and count no bracket of a string", () => {
    const rooms = (value: string) => () => reply("ROOMS", `[{"room":${value}}]`);
    expect(rooms("[[[[[[]]]]]]")).not.toThrow();
    expect(rooms("[[[[[[[]]]]]]]")).toThrow(/as JSON is not/);
    expect(rooms(`"${"[".repeat(9)}\\"${"{".repeat(9)}"`)).not.toThrow();
    expect(rooms(`"\\\\", "x": [[[[[[[]]]]]]]`)).toThrow(/as JSON is not/);
  });
});

describe("requests", () => {
  it("are the protocol's", () => {
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString().replace(/ {5,}/, " ~");
    expect(text(requests.sub("lobby", { from: 0 }, true))).toBe("0 SUB lobby from=0 presence=1 ~");
    expect(text(requests.sub("lobby", {}, false))).toBe("0 SUB lobby ~");
    expect(text(requests.hello("s".repeat(16), undefined, undefined))).toBe(
      `35 HELLO ~{"v":1,"client":"${"s".repeat(16)}"}`,
    );
    expect(text(requests.pong("x"))).toBe("0 PONG x ~");
  });
});
