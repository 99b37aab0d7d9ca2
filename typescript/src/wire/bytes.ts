/**
 * Bytes and texts, each way.
 *
 * Law of this file: text is UTF-8, headers are ASCII, and what is neither is never guessed at.
 */

import { EXCERPT } from "./limits.js";

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const patient = new TextDecoder("utf-8", { ignoreBOM: true });

/** No bytes at all. */
export const EMPTY = new Uint8Array(0);

/** Return a text in UTF-8. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Return the text that bytes hold, or null if they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/** Return a text for people, whatever the bytes are. */
export function sentenceOf(bytes: Uint8Array): string {
  return patient.decode(bytes);
}

/** Return bytes as text, one character for each. For headers: a few bytes, as a rule ASCII. */
export function latin1(bytes: Uint8Array): string {
  let text = ""; // spreading the bytes, or iterating over them, takes five times as long
  for (let at = 0; at < bytes.length; at += 1) {
    text += String.fromCharCode(bytes[at] as number);
  }
  return text;
}

/** Return bytes of one's own. (`slice` would not do: a Buffer's returns the same bytes.) */
export function copied(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** Return pieces in one piece. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) {
    return pieces[0] as Uint8Array;
  }
  let size = 0;
  for (const piece of pieces) {
    size += piece.length;
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Return the beginning of the other side's text for people: escaped, quoted and bounded. */
export function excerpt(text: string, most: number = EXCERPT): string {
  let shown = "";
  for (const character of text.slice(0, most)) {
    const code = character.codePointAt(0) as number;
    if (character === "'" || character === "\\") {
      shown += `\\${character}`;
    } else if (code >= 0x20 && code < 0x7f) {
      shown += character;
    } else {
      shown += `\\x${code.toString(16).padStart(2, "0")}`;
    }
  }
  return `'${shown}'${text.length > most ? "..." : ""}`;
}
