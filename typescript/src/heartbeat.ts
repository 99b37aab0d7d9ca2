/**
 * Whether the server is still there.
 *
 * Law of this file: any byte is a sign of life, and so is that some of what waits for the server is taken; one
 * that gives none is asked, and given up when it does not answer. Whoever doubts it has it asked at once, and takes
 * nothing but the answer for one, but waits for that while anything comes.
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
  /** Questions that are not answered yet. */
  #open = 0;
  #handed = 0;
  #taken = 0;

  /** `ask` asks the server whether it is there, `giveUp` is called if it does not answer; `unsent` tells how
   * many bytes wait to be sent: a question would stand behind them, for minutes on a slow line. */
  constructor(
    private readonly clock: Clock,
    private readonly unsent: () => number,
    private readonly ask: () => void,
    private readonly giveUp: (error: TimedOut) => void,
  ) {}

  begin(): void {
    this.#beat = this.clock.setTimeout(() => this.#tick(), HEARTBEAT);
  }

  /** So many bytes were handed over to be sent. */
  handed(bytes: number): void {
    this.#handed += bytes;
  }

  /** Something has come. It proves nothing to a probe, for it may have been sent before that; but the answer may
   * stand behind it, so there is more time. */
  heard(): void {
    this.#heard = true;
    if (this.#probe !== null) {
      this.#await();
    }
  }

  /** A question was answered. */
  answered(): void {
    this.#open = Math.max(0, this.#open - 1);
    if (this.#open === 0) {
      this.#endProbe(); // until then it was an older question's
    }
  }

  /** Find out soon: somebody has a reason to doubt it. */
  probe(): void {
    if (this.#probe === null) {
      this.#await();
    }
    this.#question();
  }

  stop(): void {
    this.clock.clearTimeout(this.#beat);
    this.#endProbe();
  }

  #question(): void {
    this.#open += 1;
    this.ask();
  }

  /** Wait for the answer to a probe. */
  #await(): void {
    this.clock.clearTimeout(this.#probe);
    const taken = this.#handed - this.unsent();
    this.#probe = this.clock.setTimeout(() => {
      this.#probe = null;
      if (!this.#moved(taken)) {
        this.giveUp(new TimedOut(this.#silence(PROBE_WITHIN, "did not answer within")));
      }
    }, PROBE_WITHIN);
  }

  #endProbe(): void {
    this.clock.clearTimeout(this.#probe);
    this.#probe = null;
  }

  #tick(): void {
    const moved = this.#moved(this.#taken);
    this.#taken = this.#handed - this.unsent();
    if (this.#heard || moved) {
      this.#asked = 0;
    } else if (this.#asked === UNANSWERED) {
      this.giveUp(new TimedOut(this.#silence(HEARTBEAT * (UNANSWERED + 1), "was silent for")));
      return;
    } else {
      this.#asked += 1;
      this.#question();
    }
    this.#heard = false;
    this.begin();
  }

  /** Whether some of what waits was taken since so much was. */
  #moved(since: number): boolean {
    const waiting = this.unsent();
    return waiting > 0 && this.#handed - waiting > since;
  }

  /** Return what is wrong with a server that does not answer. */
  #silence(milliseconds: number, otherwise: string): string {
    const waiting = this.unsent();
    const seconds = milliseconds / 1000;
    return waiting === 0
      ? `the server ${otherwise} ${seconds} s`
      : `the server took nothing of what was sent to it for ${seconds} s, and ${waiting} bytes wait: ` +
          "see to the network, and to the server's machine";
  }
}
