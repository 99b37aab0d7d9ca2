/**
 * Whether the server is still there.
 *
 * Law of this file: any byte is a sign of life; a server that gives none is asked, and given up when it
 * does not answer.
 */

import { TimedOut } from "./errors.js";
import type { Clock } from "./transport.js";

/** Milliseconds that a server may be silent before it is asked whether it is there: as often as
 * servers ask by default. */
export const HEARTBEAT = 30_000;

/** Questions in a row without any byte in answer, until the connection is given up. */
const UNANSWERED = 2;

/** Milliseconds that the answer to a probe may take: somebody waits at a screen. */
export const PROBE_WITHIN = 10_000;

/** The heartbeat of one connection. */
export class Heartbeat {
  #heard = true;
  #asked = 0;
  #beat: unknown = null;
  #probe: unknown = null;

  /** `ask` asks the server whether it is there, `giveUp` is called if it does not answer. */
  constructor(
    private readonly clock: Clock,
    private readonly ask: () => void,
    private readonly giveUp: (error: TimedOut) => void,
  ) {}

  begin(): void {
    this.#beat = this.clock.setTimeout(() => this.#tick(), HEARTBEAT);
  }

  /** Something has come. */
  heard(): void {
    this.#heard = true;
    this.clock.clearTimeout(this.#probe);
    this.#probe = null;
  }

  /** Find out soon: somebody has a reason to doubt it. */
  probe(): void {
    if (this.#probe === null) {
      this.#probe = this.clock.setTimeout(
        () =>
          this.giveUp(new TimedOut(`the server did not answer within ${PROBE_WITHIN / 1000} s`)),
        PROBE_WITHIN,
      );
      this.ask();
    }
  }

  stop(): void {
    this.clock.clearTimeout(this.#beat);
    this.clock.clearTimeout(this.#probe);
  }

  #tick(): void {
    if (this.#heard) {
      this.#asked = 0;
    } else if (this.#asked === UNANSWERED) {
      const seconds = (HEARTBEAT * (UNANSWERED + 1)) / 1000;
      this.giveUp(new TimedOut(`the server was silent for ${seconds} s`));
      return;
    } else {
      this.#asked += 1;
      this.ask();
    }
    this.#heard = false;
    this.begin();
  }
}
