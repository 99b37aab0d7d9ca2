/**
 * What was asked and is not answered: who is there, which rooms there are, whether anybody is.
 *
 * Law of this file: questions are answered in the order of asking, and asked again on a new
 * connection; none of them changes anything, so twice is as good as once.
 */

import type { ClientError } from "./errors.js";
import type { Reply } from "./wire/replies.js";

/** Something asked, and who waits for the answer. */
export interface Question {
  readonly verb: "WHO" | "ROOMS" | "PING";
  /** The room or token that an answer repeats, or null. */
  readonly subject: string | null;
  readonly frame: Uint8Array;
  settle(outcome: Reply | ClientError): void;
}

/** The questions that wait for answers, oldest first. */
export class Questions {
  #asked: Question[] = [];

  add(question: Question): void {
    this.#asked.push(question);
  }

  /** Give an answer to whoever waits longest for it; one without a subject is for the oldest. */
  answer(verb: string, subject: string | null, outcome: Reply | ClientError): void {
    const at = this.#asked.findIndex(
      (each) => each.verb === verb && (subject === null || subject === each.subject),
    );
    if (at >= 0) {
      const [question] = this.#asked.splice(at, 1);
      question?.settle(outcome);
    }
  }

  /** Return the frames that ask everything once more. */
  again(): Uint8Array[] {
    return this.#asked.map(({ frame }) => frame);
  }

  /** Give everybody the reason why no answer will come. */
  end(error: ClientError): void {
    for (const { settle } of this.#asked.splice(0)) {
      settle(error);
    }
  }
}
