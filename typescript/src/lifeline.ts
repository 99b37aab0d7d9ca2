/**
 * Keeping a connection: attempts, waits between them, and the end of it all.
 *
 * Law of this file: at most one connection at a time; an error that is final is not tried again;
 * once it has ended no timer is left. It knows nothing of what is said on a connection.
 */

import { CannotConnect, ClientError, Disconnected } from "./errors.js";
import type { Link } from "./link.js";
import type { Clock } from "./transport.js";
import type { ReplyOf } from "./wire/replies.js";

/** Milliseconds, doubled before the first use and after each failure: a server that restarts is back
 * within a second. */
const FIRST_RETRY = 250;

/** Milliseconds that the wait grows to: a server that was away for long is noticed soon enough. */
const LONGEST_RETRY = 30_000;

/** Milliseconds that a connection must last for the waits to begin anew: a server that accepts and
 * closes at once is backed off from like one that does not answer. */
const STEADY = 10_000;

/** The JSON of WELCOME. */
export interface ServerDetails {
  readonly v: number;
  readonly server: string;
  readonly max_payload: number;
  readonly heartbeat: number;
  readonly features: readonly string[];
  /** The room of those who speak plain frames, where the server says it. */
  readonly room?: string;
  readonly [more: string]: unknown;
}

/** Where the client stands. Objects are immutable: a new one for each change. */
export type State =
  | { readonly phase: "idle" }
  | { readonly phase: "connecting"; readonly attempt: number }
  | { readonly phase: "online"; readonly name: string; readonly server: ServerDetails }
  /** Until `retryAt` (Unix time in milliseconds), then it tries again. */
  | { readonly phase: "offline"; readonly reason: ClientError; readonly retryAt: number }
  /** `close` was called and waits for what is unacknowledged. */
  | { readonly phase: "closing" }
  /** For good. `reason` is null after `close`; Superseded, or a Refused with "version",
   * "unauthorized", "bad-name" and so on otherwise: a person has to change something. */
  | { readonly phase: "ended"; readonly reason: ClientError | null };

/** A connection to one server that is made again whenever it is lost. */
export class Lifeline {
  state: State = { phase: "idle" };
  /** The connection there is, welcome or not. */
  link: Link | null = null;
  #closing = false;
  #attempts = Number.POSITIVE_INFINITY;
  #tried = 0;
  #failures = 0;
  #since: number | null = null;
  #forgiven: ClientError | null = null;
  #retry: unknown = null;

  constructor(
    private readonly clock: Clock,
    private readonly jitter: () => number,
    /** Begin a connection, or say why none may be tried any more. */
    private readonly open: () => Link | ClientError,
    private readonly changed: (state: State) => void,
    /** Called once, with the reason, when no connection will be tried any more. */
    private readonly finished: (error: ClientError, reason: ClientError | null) => void,
  ) {}

  /** Begin, giving up after so many attempts unless one works. */
  start(attempts: number): void {
    if (this.state.phase === "idle") {
      this.#attempts = attempts;
      this.#connect();
    }
  }

  /** A connection is ready for use. */
  came({ name, details }: ReplyOf<"WELCOME">): void {
    this.#attempts = Number.POSITIVE_INFINITY;
    this.#tried = 0;
    this.#since = this.clock.now();
    this.#become({ phase: "online", name, server: details as unknown as ServerDetails });
  }

  /** A connection is gone; another is tried unless the error is final. */
  went(error: ClientError): void {
    this.link = null;
    this.#tried += this.#since === null ? 1 : 0; // one that was ready was no failed attempt
    if (this.state.phase === "ended") {
      return;
    }
    if (error.final) {
      this.finish(error, error);
    } else if (this.#tried >= this.#attempts) {
      this.finish(error instanceof Disconnected ? cannotConnect(error) : error, error);
    } else {
      this.#waitFor(error);
    }
  }

  /**
   * A connection will end with this error, and nothing is wrong with it: another is tried at once,
   * and the waits begin anew.
   */
  forgive(error: ClientError): void {
    this.#failures = 0;
    this.#forgiven = error;
  }

  /** Do not wait any longer, if one waits; nor for long after the attempt that is being made. */
  hurry(): void {
    if (this.#retry !== null) {
      this.#failures = 0;
      this.#connect();
    } else if (this.state.phase === "connecting") {
      this.#failures = 0;
    }
  }

  /** `close` was called. */
  closing(): void {
    this.#closing = true;
    if (this.state.phase !== "ended") {
      this.state = { phase: "closing" };
      this.changed(this.state);
    }
  }

  /** Connect no more. `error` is given to every wait, `reason` stands in the state. */
  finish(error: ClientError, reason: ClientError | null): void {
    if (this.state.phase !== "ended") {
      this.clock.clearTimeout(this.#retry);
      this.#retry = null;
      this.state = { phase: "ended", reason };
      this.finished(error, reason);
      this.changed(this.state);
    }
  }

  // -- within ------------------------------------------------------------------------------

  #connect(): void {
    this.clock.clearTimeout(this.#retry);
    this.#retry = null;
    this.#become({ phase: "connecting", attempt: this.#tried + 1 });
    if (this.state.phase !== "ended") {
      const link = this.open();
      if (link instanceof ClientError) {
        this.finish(link, link);
      } else {
        this.link = link;
      }
    }
  }

  #waitFor(error: ClientError): void {
    if (this.#since !== null && this.clock.now() - this.#since >= STEADY) {
      this.#failures = 0;
    }
    this.#since = null;
    const forgiven = error === this.#forgiven;
    this.#forgiven = null;
    this.#failures += forgiven ? 0 : 1;
    const longest = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** this.#failures);
    const wait = forgiven ? 0 : Math.round(longest * (0.5 + this.jitter()));
    this.#retry = this.clock.setTimeout(() => this.#connect(), wait);
    this.#become({ phase: "offline", reason: error, retryAt: this.clock.now() + wait });
  }

  #become(state: State): void {
    if (!this.#closing && this.state.phase !== "ended") {
      this.state = state;
      this.changed(state);
    }
  }
}

function cannotConnect(error: ClientError): ClientError {
  return new CannotConnect("the server", error.message);
}
