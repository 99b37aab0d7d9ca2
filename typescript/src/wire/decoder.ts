/**
 * Frames out of a stream of bytes, however it is cut.
 *
 * Law of this file: the work is linear in the bytes received, nothing is kept beyond the one
 * unfinished frame, and what is wrong is refused at its header, before any of its payload is kept.
 */

import { checkBytes, checkNumber } from "./arguments.js";
import { copied, EMPTY } from "./bytes.js";
import { ProtocolError } from "./errors.js";
import { type Header, parseHeader } from "./header.js";
import { HEADER_SIZE, MAX_HEADER_SIZE, MAX_PAYLOAD, MIN_HEADER_SIZE } from "./limits.js";

/** One frame: its payload, and its words (verb first; none for a plain frame). */
export interface Frame {
  readonly words: readonly string[];
  readonly payload: Uint8Array;
}

/** An incremental decoder for one connection's input. */
export class FrameDecoder {
  readonly headerSize: number;
  readonly maxPayload: number;
  #typed: boolean | null = null;
  #header: Header | null = null;
  #buffer = EMPTY;
  #filled = 0;

  /** Take the header's width and the largest payload, in bytes. Throws RangeError for another width, and
   * TypeError for what is no number. */
  constructor(headerSize: number = HEADER_SIZE, maxPayload: number = MAX_PAYLOAD) {
    if (!(headerSize >= MIN_HEADER_SIZE && headerSize <= MAX_HEADER_SIZE)) {
      throw new RangeError(
        `a header has ${MIN_HEADER_SIZE} to ${MAX_HEADER_SIZE} bytes, not ${headerSize}`,
      );
    }
    checkNumber(headerSize, "a header's width");
    checkNumber(maxPayload, "the largest payload", 0, true);
    this.headerSize = headerSize;
    this.maxPayload = Math.min(maxPayload, 10 ** Math.min(headerSize, 10) - 1);
  }

  /** How many bytes of an unfinished frame are kept. */
  get buffered(): number {
    return this.#filled;
  }

  /**
   * Take the next piece of the stream and yield the frames that it completes, one by one. Whoever
   * leaves the iteration early must not feed again. Throws `ProtocolError`, behind the good frames
   * before it, for a header that is refused; the stream ends there.
   */
  *feed(data: Uint8Array): Generator<Frame, void, undefined> {
    checkBytes(data, "a piece of the stream");
    let at = 0;
    for (;;) {
      const need = this.#header === null ? this.headerSize : this.#header.length;
      if (this.#filled + data.length - at < need) {
        this.#keep(data.subarray(at), need);
        return;
      }
      let whole: Uint8Array;
      if (this.#filled > 0) {
        const taken = need - this.#filled;
        this.#keep(data.subarray(at, at + taken), need);
        at += taken;
        whole = this.#buffer; // exactly `need` bytes, see #keep
        this.#buffer = EMPTY;
        this.#filled = 0;
      } else {
        // A copy, so that a small message does not keep alive the large piece that it came in.
        const end = at + need;
        whole = data.subarray(at, end);
        whole = this.#header === null ? whole : copied(whole);
        at = end;
      }
      if (this.#header === null) {
        this.#header = this.#admit(parseHeader(whole));
      } else {
        const { words } = this.#header;
        this.#header = null;
        yield { words, payload: whole };
      }
    }
  }

  /** Return the header, or throw for one that this stream may not hold. */
  #admit(header: Header): Header {
    this.#typed ??= header.words.length > 0;
    if (header.words.length > 0 && !this.#typed) {
      throw new ProtocolError(
        "bad-header",
        "this stream began with a plain frame, so its headers hold the length alone",
      );
    }
    if (header.length > this.maxPayload) {
      throw new ProtocolError(
        "too-large",
        `a message of ${header.length} bytes is over the limit of ${this.maxPayload}`,
      );
    }
    return header;
  }

  /**
   * Keep bytes of an unfinished header or payload of `need` bytes. The buffer doubles, so that it is
   * never more than twice what has come: a header alone, whatever it announces, takes no memory.
   */
  #keep(bytes: Uint8Array, need: number): void {
    const size = this.#filled + bytes.length;
    if (size > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(need, Math.max(size, 2 * this.#buffer.length)));
      grown.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled = size;
  }
}
