/**
 * Sizes and words of the wire, each with the reason for its value.
 *
 * Law of this file: constants only.
 */

/** Bytes of a header: typed frames exist at this width only. */
export const HEADER_SIZE = 128;

/** Bytes of the narrowest header: four digits still hold a payload of 9,999 bytes. */
export const MIN_HEADER_SIZE = 4;

/** Bytes of the widest header that servers may be given. */
export const MAX_HEADER_SIZE = 2048;

/** Every length is below this: ten digits, so that a header always has room for words. */
export const LENGTH_BOUND = 10 ** 10;

/** Bytes of the largest payload that a server takes unless configured. */
export const MAX_PAYLOAD = 1024 * 1024;

/** Bytes of the longest JSON that is read: above any list that a server sends. */
export const MAX_JSON = 16 * 1024 * 1024;

/** How many lists and objects of JSON may lie within each other: section 8 of docs/protocol.md. */
export const MAX_DEPTH = 8;

/** What the payload of an error begins with where a server speaks in plain frames. */
export const ERROR_PREFIX = "!ERROR! ";

/** Bytes of the other side's input that a sentence may quote: enough to recognise it. */
export const EXCERPT = 48;

/** The version of the protocol that is spoken. */
export const VERSION = 1;
