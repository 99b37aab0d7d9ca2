/**
 * The grammar of names, rooms, ids and numbers: what each may be, and the sentence that says so.
 *
 * Law of this file: one place for each rule. Ids are bigints, for other programs may have
 * counted them in nanoseconds; numbers of messages and times are numbers, and one that a number
 * cannot hold exactly is refused (docs/decisions/0022).
 */

import { checkText } from "./arguments.js";
import { excerpt } from "./bytes.js";
import { ProtocolError } from "./errors.js";

const NAME = /^[A-Za-z0-9._-]{1,24}$/;
const ROOM = /^[A-Za-z0-9._-]{1,32}$/;
const SECRET = /^[!-~]{16,64}$/;
const TOKEN = /^[!-~]{1,64}$/;
const NUMBER = /^[0-9]{1,19}$/;

/** The highest id: what databases, and most languages, hold in an integer. */
export const MAX_ID = 2n ** 63n - 1n;

/** What stands before a name where a room would: a direct message. */
export const DIRECT = "@";

export const NAME_RULE = "a name is 1 to 24 of A-Z a-z 0-9 . _ -";
export const ROOM_RULE = "a room's name is 1 to 32 of A-Z a-z 0-9 . _ -";
export const SECRET_RULE = "a secret is 16 to 64 printable ASCII characters, drawn at random";

/** Throw RangeError for what cannot be a member's name, and TypeError for what is no string. */
export function checkName(name: string): void {
  checkText(name, "a name");
  if (!NAME.test(name)) {
    throw new RangeError(`${NAME_RULE}, not ${excerpt(name)}`);
  }
}

/** Throw RangeError for what cannot be a room, and TypeError for what is no string. */
export function checkRoom(room: string): void {
  checkText(room, "a room's name");
  if (!ROOM.test(room)) {
    throw new RangeError(`${ROOM_RULE}, not ${excerpt(room)}`);
  }
}

/** Throw RangeError for what cannot be sent to: a room, or `@` and a member's name. TypeError for what is no
 * string. */
export function checkTarget(target: string): void {
  checkText(target, "a room's name");
  if (target.startsWith(DIRECT)) {
    checkName(target.slice(1));
  } else {
    checkRoom(target);
  }
}

/** Throw RangeError for what cannot be a client's secret, and TypeError for what is no string. */
export function checkSecret(secret: string): void {
  checkText(secret, "a secret");
  if (!SECRET.test(secret)) {
    throw new RangeError(`${SECRET_RULE}, and this one is not`);
  }
}

/** Return a member's name. Throws `ProtocolError` for what cannot be one. */
export function readName(word: string): string {
  if (!NAME.test(word)) {
    throw new ProtocolError("bad-args", `${NAME_RULE}, not ${excerpt(word)}`);
  }
  return word;
}

/** Whether this can be a member's name. */
export function isName(word: unknown): word is string {
  return typeof word === "string" && NAME.test(word);
}

/** Return a `PING`'s token, or null if there is none. Throws `ProtocolError` for what cannot be one. */
export function readToken(word: string | undefined): string | null {
  if (word !== undefined && !TOKEN.test(word)) {
    throw new ProtocolError("bad-args", "a token is 1 to 64 printable ASCII characters");
  }
  return word ?? null;
}

/** Return an id, or null for anything else than 0 to 2^63-1 in digits. */
export function parseId(word: string): bigint | null {
  if (!NUMBER.test(word)) {
    return null;
  }
  const value = BigInt(word);
  return value <= MAX_ID ? value : null;
}

/** Return an id. Throws `ProtocolError` for what is none. */
export function readId(word: string): bigint {
  const value = parseId(word);
  if (value === null) {
    throw new ProtocolError("bad-args", `an id is a whole number below 2^63, not ${excerpt(word)}`);
  }
  return value;
}

/** Return a message's number, a time or a count. Throws `ProtocolError` for what is none. */
export function readNumber(word: string): number {
  const value = NUMBER.test(word) ? Number(word) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new ProtocolError(
      "bad-args",
      `a number is whole and below 2^53, for JavaScript counts no further, not ${excerpt(word)}`,
    );
  }
  return value;
}
