/**
 * What a client says: each verb as a function that returns the whole frame.
 *
 * Law of this file: grammar only; whether a room is there is the server's to decide.
 */

import { checkBytes } from "./arguments.js";
import { EMPTY, encodeText, joined } from "./bytes.js";
import { encodeHeader } from "./header.js";
import { VERSION } from "./limits.js";

/** Return a frame's bytes in one piece: the header, then the payload. */
export function encodeFrame(words: readonly string[], payload: Uint8Array = EMPTY): Uint8Array {
  checkBytes(payload, "a payload");
  const header = encodeHeader(payload.length, words);
  return payload.length === 0 ? header : joined([header, payload]);
}

/** Where a `SUB` begins: with a number, so many before the end, at a time, or from now on. */
export interface Beginning {
  readonly from?: number | undefined;
  readonly last?: number | undefined;
  readonly since?: number | undefined;
}

/** Return a `HELLO`: all of it in JSON, which has room for every name, secret and token. */
export function hello(
  secret: string,
  name: string | undefined,
  token: string | undefined,
): Uint8Array {
  const said = JSON.stringify({ v: VERSION, name, client: secret, token });
  return encodeFrame(["HELLO"], encodeText(said));
}

/** Return the frames of a `PUB` in pieces: header, payload. */
export function pub(room: string, id: bigint, payload: Uint8Array): [Uint8Array, Uint8Array] {
  checkBytes(payload, "a payload");
  return [encodeHeader(payload.length, ["PUB", room, String(id)]), payload];
}

/** Return a `SUB`. */
export function sub(room: string, beginning: Beginning, presence: boolean): Uint8Array {
  const words = ["SUB", room];
  for (const key of ["from", "last", "since"] as const) {
    const value = beginning[key];
    if (value !== undefined) {
      words.push(`${key}=${value}`);
    }
  }
  if (presence) {
    words.push("presence=1");
  }
  return encodeFrame(words);
}

/** Return an `UNSUB`. */
export function unsub(room: string): Uint8Array {
  return encodeFrame(["UNSUB", room]);
}

/** Return a `WHO`. */
export function who(room: string): Uint8Array {
  return encodeFrame(["WHO", room]);
}

/** Return a `ROOMS`. */
export function rooms(): Uint8Array {
  return encodeFrame(["ROOMS"]);
}

/** Return a `PING`. */
export function ping(token: string | null = null): Uint8Array {
  return encodeFrame(token === null ? ["PING"] : ["PING", token]);
}

/** Return a `PONG`. */
export function pong(token: string | null = null): Uint8Array {
  return encodeFrame(token === null ? ["PONG"] : ["PONG", token]);
}

/** Return a `BYE`. */
export function bye(): Uint8Array {
  return encodeFrame(["BYE"]);
}
