/**
 * What was said before: pages of it, as one scrolls up, or until it is known where one reads on.
 *
 * Law of this file: of each conversation one page is asked for at a time, and nobody is kept for long from what is here.
 */

import type { ClientError } from "tcpmsg";
import type { Conversation } from "./conversation";
import { said } from "./entry";
import type { Wire } from "./parts";

/** Messages that are read at once as one scrolls up. Many, because the server sends on behind a page until it hears that
 * it was read: at a fast server that is more than the page. */
export const PAGE = 1000;

/** Pages in which the first unread message is looked for when a room is opened. Who has more to read begins behind
 * that, and finds the rest by scrolling up. */
export const PAGES_SOUGHT = 4;

/** How long, in milliseconds, that may keep somebody from what is there already. */
export const SOUGHT_TIME = 1500;

export class History {
  readonly #settling = new Set<Conversation>();
  #wire: Wire | null = null;

  /** Ask this client from now on; the function returned ends it. */
  attach(wire: Wire): () => void {
    this.#wire = wire;
    return () => (this.#wire = null);
  }

  /** Load what is older than what is here. */
  async older(conversation: Conversation): Promise<void> {
    const before = conversation.oldest;
    if (conversation.loading || conversation.complete || before === null || this.#wire === null) return;
    conversation.set({ loading: true, error: null });
    try {
      const page = await this.#wire.history(conversation.name, { before, count: PAGE });
      if (conversation.oldest !== before) {
        conversation.set({ loading: false });
        return;
      }
      const complete = !page.more || (page.messages[0]?.seq ?? 1) <= 1;
      conversation.prepend(page.messages.map((message) => said(message, this.#wire?.name)), complete);
    } catch (error) {
      conversation.set({ loading: false, error: error as ClientError });
    }
  }

  /** Load back to where unread begins, so that one reads on there and does not begin at the end. */
  settle(conversation: Conversation): void {
    if (conversation.settled || this.#settling.has(conversation)) return;
    if (!conversation.behind) {
      conversation.set({ settled: true });
      return;
    }
    const seek = async (): Promise<void> => {
      for (let page = 0; page < PAGES_SOUGHT && conversation.behind && conversation.error === null; page += 1) {
        await this.older(conversation);
      }
    };
    const late = new Promise<void>((resolve) => setTimeout(resolve, SOUGHT_TIME));
    this.#settling.add(conversation);
    void Promise.race([seek(), late]).then(() => {
      this.#settling.delete(conversation);
      conversation.set({ settled: true });
    });
  }
}
