/**
 * A client's secret, drawn at random.
 *
 * Law of this file: from a generator that nobody can guess, or not at all.
 */

import { checkBytes, checkFunction } from "./wire/arguments.js";

/** A source of so many random bytes. */
export type Entropy = (count: number) => Uint8Array;

/** Random bytes of a secret: 128 bits, so that nobody guesses it, or draws it twice. */
const SECRET_BYTES = 16;

/**
 * Draw a secret to keep: `secret` of `ClientOptions`. Throws TypeError where the platform has no `crypto`
 * and no other source is given, and for an `entropy` that is none; RangeError for one that
 * returns another number of bytes.
 */
export function drawSecret(entropy?: Entropy): string {
  if (entropy !== undefined) {
    checkFunction(entropy, "entropy");
  }
  const bytes = (entropy ?? platformEntropy)(SECRET_BYTES);
  checkBytes(bytes, "what entropy returns");
  if (bytes.length !== SECRET_BYTES) {
    throw new RangeError(
      `entropy was asked for ${SECRET_BYTES} bytes and returned ${bytes.length}`,
    );
  }
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function platformEntropy(count: number): Uint8Array {
  const { crypto } = globalThis;
  if (crypto === undefined) {
    throw new TypeError(
      "there is no crypto here to draw a secret with: give `secret`, or `entropy` such as " +
        'randomBytes of "node:crypto"',
    );
  }
  return crypto.getRandomValues(new Uint8Array(count));
}
