/**
 * What can go wrong for a client, each with its cause and the way out.
 *
 * Law of this file: every text is one line for a person; `code` is for programs. What a server
 * sent is in it as it came: whoever shows it shows it as text.
 */

import { latin1 } from "./wire/bytes.js";
import { ENDING, type ProtocolError } from "./wire/errors.js";
import { ERROR_PREFIX } from "./wire/limits.js";

/** Codes after which trying again would only be refused again. */
const FINAL: ReadonlySet<string> = new Set(["bad-header", "unauthorized", "version", "superseded"]);

/** Codes of a refused `HELLO` after which it may be accepted a little later. */
const PASSING: ReadonlySet<string> = new Set(["limit", "busy", "timeout", "internal"]);

/** What this client says by itself where it finds that it was superseded. */
const OTHERS =
  "another program or tab goes on with the same client secret: go on there, or begin here with a " +
  "secret of your own";

/** What went wrong. `message` is one line for a person: cause and way out. */
export class ClientError extends Error {
  override name = "ClientError";

  constructor(
    /** A code of the protocol ("too-large", "superseded", ...), or one of this client's own:
     * "unreachable", "disconnected", "timed-out", "not-understood", "closed", "discarded". */
    readonly code: string,
    message: string,
    /** Whether trying again would end the same way. */
    readonly final = false,
  ) {
    super(message);
  }
}

/** The server refused something, with a code and a sentence (`reason`) of its own. */
export class Refused extends ClientError {
  override name = "Refused";

  constructor(
    code: string,
    readonly reason: string,
    final: boolean = FINAL.has(code),
  ) {
    super(code, `the server refused it: ${code}: ${reason}`, final);
  }
}

/** Another connection took over with this client's secret: do not come back by yourself. */
export class Superseded extends Refused {
  override name = "Superseded";

  constructor(reason = OTHERS) {
    super("superseded", reason, true);
  }
}

/** What this client says by itself of a direct message whose outcome was lost with the connection. */
const LOST_OUTCOME =
  "the connection was lost before the server said what became of the direct message: its receiver " +
  "may have it or not; ask, or send it again as a new message";

/** A direct message was accepted and reached nobody: `code` is "absent" or "busy". Or it is not known
 * whether it was received, since the connection was lost: `code` is "unknown". */
export class Undelivered extends Refused {
  override name = "Undelivered";

  constructor(code: string, reason = LOST_OUTCOME) {
    super(code, reason);
    if (code === "unknown") {
      this.message = reason; // nothing was refused
    }
  }
}

/** There is no connection to the server, and there was none. */
export class CannotConnect extends ClientError {
  override name = "CannotConnect";

  constructor(address: string, cause: string) {
    super("unreachable", `cannot connect to ${address}: ${cause}`);
  }
}

/** The connection has ended. */
export class Disconnected extends ClientError {
  override name = "Disconnected";

  constructor(message: string) {
    super("disconnected", message);
  }
}

/** What came is not this protocol, or too large to take. */
export class NotUnderstood extends ClientError {
  override name = "NotUnderstood";

  constructor(message: string) {
    super("not-understood", message, true);
  }
}

/** Something did not happen within its time. */
export class TimedOut extends ClientError {
  override name = "TimedOut";

  constructor(message: string) {
    super("timed-out", message);
  }
}

/** Return the error for an `ERR` frame; `hello` if it refuses the introduction. */
export function answered(code: string, reason: string, hello = false): Refused {
  if (code === "superseded") {
    return new Superseded(reason);
  }
  return hello ? new Refused(code, reason, !PASSING.has(code)) : new Refused(code, reason);
}

/** Whether a typed connection ends behind an `ERR` with this code. */
export function endsConnection(code: string): boolean {
  return ENDING.has(code);
}

/**
 * Return the error that a plain frame tells in place of `WELCOME`, or null if it tells none: a
 * server that has no place for a connection does not know yet that it is a typed one.
 */
export function turnedAway(text: string): Refused | null {
  if (!text.startsWith(ERROR_PREFIX)) {
    return null;
  }
  const [, code, reason = ""] = /^([a-z-]+) ?(.*)$/s.exec(text.slice(ERROR_PREFIX.length)) ?? [];
  return code === undefined ? null : new Refused(code, reason, !PASSING.has(code));
}

/** Return the error for bytes that are not this protocol, and came with `piece`. */
export function notUnderstood(error: ProtocolError, piece: Uint8Array): NotUnderstood {
  if (error.code === "too-large") {
    return new NotUnderstood(`the server announces a message that is too large: ${error.reason}`);
  }
  const http = latin1(piece.subarray(0, 5)) === "HTTP/";
  return new NotUnderstood(
    `what the server sent is not this protocol (${error.reason}); ` +
      (http ? "an HTTP server answers there: use webSocket()" : "check the address"),
  );
}
