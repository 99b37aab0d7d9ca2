/**
 * What the other side can do wrong on the wire.
 *
 * Law of this file: a `ProtocolError` is always the other side's fault, and names cause and
 * remedy; mistakes of this program are RangeErrors.
 */

/** The codes of `ERR` and `!ERROR!` frames (docs/protocol.md, section Errors). */
export type ErrorCode =
  | "bad-header"
  | "bad-verb"
  | "bad-args"
  | "bad-room"
  | "bad-name"
  | "bad-json"
  | "too-large"
  | "unauthorized"
  | "forbidden"
  | "absent"
  | "unknown"
  | "superseded"
  | "limit"
  | "busy"
  | "timeout"
  | "version"
  | "internal";

/** Codes after which a typed connection ends. */
export const ENDING: ReadonlySet<string> = new Set<ErrorCode>([
  "bad-header",
  "too-large",
  "unauthorized",
  "superseded",
  "version",
  "timeout",
  "internal",
]);

/** The other side broke a rule of the protocol: `code` says which, `reason` is for a person. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";

  constructor(
    readonly code: ErrorCode,
    readonly reason: string,
  ) {
    super(`${code}: ${reason}`);
  }
}
