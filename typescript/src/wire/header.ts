/**
 * The header's grammar, for plain and typed frames.
 *
 *     header  =  *SP length *( SP word ) *SP        (padded to the fixed width)
 *     length  =  1*DIGIT                            (value below 10^10)
 *     word    =  1*( %x21-7E )                      (the first one: 1*( A-Z ))
 *
 * Law of this file: what is not in this grammar is refused. `Number()` and `parseInt` alone are
 * too liberal: they take signs, points, exponents and every kind of white space.
 */

import { excerpt, latin1 } from "./bytes.js";
import { ProtocolError } from "./errors.js";
import { HEADER_SIZE, LENGTH_BOUND } from "./limits.js";

const DIGITS = /^[0-9]+$/;
const TYPED = /^([0-9]+) ([A-Z]+(?: [!-~]+)*)$/;
const WORDS = /^[A-Z]+(?: [!-~]+)*$/;
const SPACE = 0x20;
const NO_WORDS: readonly string[] = Object.freeze([]);

/** What a header says: `length` of the payload in bytes, and the words (none: plain). */
export interface Header {
  readonly length: number;
  readonly words: readonly string[];
}

/**
 * Parse one whole header: `data` holds exactly the header's fixed width. Throws `ProtocolError`
 * with "bad-header" for whatever the grammar does not hold, and for words where the width is not 128.
 */
export function parseHeader(data: Uint8Array): Header {
  let start = 0;
  let end = data.length;
  while (start < end && data[start] === SPACE) {
    start += 1;
  }
  while (end > start && data[end - 1] === SPACE) {
    end -= 1;
  }
  const text = latin1(data.subarray(start, end));
  let digits = text;
  let words = NO_WORDS;
  if (!DIGITS.test(text)) {
    const match = TYPED.exec(text);
    if (match === null) {
      throw new ProtocolError("bad-header", fault(data.length, text));
    }
    if (data.length !== HEADER_SIZE) {
      throw new ProtocolError(
        "bad-header",
        `typed frames need headers of ${HEADER_SIZE} bytes, and these have ${data.length}`,
      );
    }
    digits = match[1] as string;
    words = (match[2] as string).split(" ");
  }
  const length = Number(digits);
  if (length >= LENGTH_BOUND) {
    throw new ProtocolError(
      "bad-header",
      `a length has at most ten digits, not the value ${excerpt(digits)}`,
    );
  }
  return { length, words };
}

/**
 * Return the header of a typed frame, or of a plain one if there are no words. Throws RangeError
 * if the words break the grammar or do not fit.
 */
export function encodeHeader(length: number, words: readonly string[] = NO_WORDS): Uint8Array {
  if (!Number.isInteger(length) || length < 0 || length >= LENGTH_BOUND) {
    throw new RangeError(`a payload of ${length} bytes cannot be announced: below 10^10 only`);
  }
  let text = String(length);
  if (words.length > 0) {
    const line = words.join(" ");
    if (!WORDS.test(line) || line.split(" ").length !== words.length) {
      throw new RangeError(`not a verb of A-Z and words of printable ASCII: ${excerpt(line)}`);
    }
    text += ` ${line}`;
  }
  if (text.length > HEADER_SIZE) {
    throw new RangeError(`${text.length} bytes do not fit a header of ${HEADER_SIZE}`);
  }
  const header = new Uint8Array(HEADER_SIZE).fill(SPACE);
  for (let at = 0; at < text.length; at += 1) {
    header[at] = text.charCodeAt(at);
  }
  return header;
}

/** Return a sentence for a header that the grammar does not hold. */
function fault(width: number, text: string): string {
  const rule = `a header is ${width} ASCII bytes: the length in digits, padded with spaces`;
  return `${rule}; this one ${text === "" ? "is empty" : `begins ${excerpt(text)}`}`;
}
