/**
 * What a server says: each typed verb as a small value, and the parser for them.
 *
 * Law of this file: clients are patient. Verbs and further words that are not known are passed
 * over, so that servers can say more later; a known verb that lacks what it must hold is refused.
 */

import { sentenceOf, textOf } from "./bytes.js";
import type { Frame } from "./decoder.js";
import { ProtocolError } from "./errors.js";
import { MAX_DEPTH, MAX_JSON } from "./limits.js";
import { isName, NAME_RULE, readId, readName, readNumber, readToken } from "./names.js";

/** What a server may say; tell them apart by `verb`. */
export type Reply =
  | {
      readonly verb: "WELCOME";
      readonly name: string;
      readonly lastId: bigint;
      readonly details: Readonly<Record<string, unknown>>;
    }
  | { readonly verb: "ACK"; readonly id: bigint; readonly seq: number; readonly dup: boolean }
  | { readonly verb: "SUBBED"; readonly room: string; readonly head: number }
  | { readonly verb: "LIVE"; readonly room: string; readonly head: number }
  | { readonly verb: "UNSUBBED"; readonly room: string }
  | {
      readonly verb: "MSG";
      readonly room: string;
      readonly seq: number;
      readonly sender: string;
      readonly millis: number;
      readonly payload: Uint8Array;
      readonly extras: readonly string[];
    }
  | {
      readonly verb: "MISSED";
      readonly room: string;
      readonly first: number;
      readonly last: number;
    }
  | {
      readonly verb: "HERE";
      readonly room: string;
      readonly names: readonly string[];
      readonly cut: number;
    }
  | { readonly verb: "JOIN"; readonly room: string; readonly name: string }
  | { readonly verb: "PART"; readonly room: string; readonly name: string }
  | {
      readonly verb: "ROOMS";
      readonly rooms: readonly Readonly<Record<string, unknown>>[];
      readonly cut: number;
    }
  | {
      readonly verb: "ERR";
      readonly code: string;
      readonly reason: string;
      readonly about: string | null;
      readonly subject: string | null;
    }
  | { readonly verb: "PING"; readonly token: string | null }
  | { readonly verb: "PONG"; readonly token: string | null }
  | { readonly verb: "BYE"; readonly reason: string };

/** The reply of one verb. */
export type ReplyOf<V extends Reply["verb"]> = Extract<Reply, { verb: V }>;

/**
 * Return what a server's typed frame says, or null for what a client passes over: a verb that it
 * does not know, or an empty frame without words. Throws `ProtocolError` for a known verb that is
 * malformed, and for a message in a plain frame.
 */
export function parseReply(frame: Frame): Reply | null {
  const [verb, ...args] = frame.words;
  if (verb === undefined) {
    if (frame.payload.length > 0) {
      throw new ProtocolError(
        "bad-args",
        "the server sent a plain message where frames have verbs: check what listens there",
      );
    }
    return null;
  }
  const row = VERBS.get(verb);
  if (row === undefined) {
    return null;
  }
  const [fewest, form, parse] = row;
  if (args.length < fewest) {
    throw new ProtocolError(
      "bad-args",
      `the server's ${verb} lacks words, being ${verb} ${form}: check its version`,
    );
  }
  return parse(args, frame.payload);
}

type Parse = (args: readonly string[], payload: Uint8Array) => Reply;

// A room's word is taken as it is: what can stand there may grow.
const VERBS: ReadonlyMap<string, readonly [fewest: number, form: string, parse: Parse]> = new Map<
  string,
  [number, string, Parse]
>([
  ["WELCOME", [2, "<name> <last_id>", welcome]],
  ["ACK", [2, "<id> <seq>", ack]],
  [
    "SUBBED",
    [2, "<room> <head>", (a) => ({ verb: "SUBBED", room: at(a, 0), head: readNumber(at(a, 1)) })],
  ],
  [
    "LIVE",
    [2, "<room> <head>", (a) => ({ verb: "LIVE", room: at(a, 0), head: readNumber(at(a, 1)) })],
  ],
  ["UNSUBBED", [1, "<room>", (a) => ({ verb: "UNSUBBED", room: at(a, 0) })]],
  ["MSG", [4, "<room> <seq> <sender> <millis>", message]],
  ["MISSED", [3, "<room> <first> <last>", missed]],
  ["HERE", [1, "<room>", here]],
  [
    "JOIN",
    [2, "<room> <name>", (a) => ({ verb: "JOIN", room: at(a, 0), name: readName(at(a, 1)) })],
  ],
  [
    "PART",
    [2, "<room> <name>", (a) => ({ verb: "PART", room: at(a, 0), name: readName(at(a, 1)) })],
  ],
  ["ROOMS", [0, "", roomList]],
  ["ERR", [1, "<code> [<verb> [<id or room>]]", err]],
  ["PING", [0, "", (a) => ({ verb: "PING", token: readToken(a[0]) })]],
  ["PONG", [0, "", (a) => ({ verb: "PONG", token: readToken(a[0]) })]],
  ["BYE", [0, "", (_, payload) => ({ verb: "BYE", reason: sentenceOf(payload) })]],
]);

/** Return a word that is known to be there. */
function at(args: readonly string[], index: number): string {
  return args[index] as string;
}

function welcome(args: readonly string[], payload: Uint8Array): Reply {
  const details = readJson(payload);
  if (!isObject(details)) {
    throw new ProtocolError("bad-json", "the JSON of WELCOME is an object, and not this");
  }
  return { verb: "WELCOME", name: readName(at(args, 0)), lastId: readId(at(args, 1)), details };
}

function ack(args: readonly string[]): Reply {
  const dup = args.includes("dup", 2);
  return { verb: "ACK", id: readId(at(args, 0)), seq: readNumber(at(args, 1)), dup };
}

function message(args: readonly string[], payload: Uint8Array): Reply {
  return {
    verb: "MSG",
    room: at(args, 0),
    seq: readNumber(at(args, 1)),
    sender: readName(at(args, 2)),
    millis: readNumber(at(args, 3)),
    payload,
    extras: args.slice(4),
  };
}

function missed(args: readonly string[]): Reply {
  return {
    verb: "MISSED",
    room: at(args, 0),
    first: readNumber(at(args, 1)),
    last: readNumber(at(args, 2)),
  };
}

function here(args: readonly string[], payload: Uint8Array): Reply {
  const names = readJson(payload);
  if (!Array.isArray(names) || !names.every(isName)) {
    throw new ProtocolError("bad-json", `the JSON of HERE is a list of names, and ${NAME_RULE}`);
  }
  return { verb: "HERE", room: at(args, 0), names, cut: cutOf(args, 1) };
}

function roomList(args: readonly string[], payload: Uint8Array): Reply {
  const rooms = readJson(payload);
  if (!Array.isArray(rooms) || !rooms.every(isObject)) {
    throw new ProtocolError("bad-json", "the JSON of ROOMS is a list of objects, and not this");
  }
  return { verb: "ROOMS", rooms, cut: cutOf(args, 0) };
}

function err(args: readonly string[], payload: Uint8Array): Reply {
  return {
    verb: "ERR",
    code: at(args, 0),
    reason: sentenceOf(payload),
    about: args[1] ?? null,
    subject: args[2] ?? null,
  };
}

/** Return how many entries a list was cut by, from the words behind the known ones. */
function cutOf(args: readonly string[], behind: number): number {
  const word = args.slice(behind).find((each) => each.startsWith("cut="));
  return word === undefined ? 0 : readNumber(word.slice("cut=".length));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Return the value that a payload holds as JSON. Throws `ProtocolError` for anything else. */
function readJson(payload: Uint8Array): unknown {
  const text = payload.length > MAX_JSON || !isShallow(payload) ? null : textOf(payload);
  try {
    if (text !== null) {
      return JSON.parse(text);
    }
  } catch {
    // what does not parse is told below, without quoting it
  }
  throw new ProtocolError(
    "bad-json",
    "what the server sent as JSON is not: check what listens there",
  );
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: readonly number[] = [0x5b, 0x7b];
const CLOSING: readonly number[] = [0x5d, 0x7d];

/** Return whether at most `MAX_DEPTH` lists and objects lie within each other, before any is made. */
function isShallow(payload: Uint8Array): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < payload.length; index += 1) {
    const byte = payload[index] ?? 0;
    if (byte === QUOTE) {
      inString = !inString;
    } else if (inString) {
      index += byte === BACKSLASH ? 1 : 0;
    } else if (OPENING.includes(byte)) {
      depth += 1;
      if (depth > MAX_DEPTH) {
        return false;
      }
    } else if (CLOSING.includes(byte)) {
      depth -= 1;
    }
  }
  return true;
}
