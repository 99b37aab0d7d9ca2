/**
 * What a person has chosen for all tabs: the theme, and what to be notified of.
 *
 * Law of this file: nothing is asked of the browser (a permission, say) that a person did not ask for.
 */

import { Observable } from "./observable";
import { isRecord, read, write } from "./storage";

export type Theme = "system" | "light" | "dark";
export type Notify = "nothing" | "calls" | "everything";

const KEY = "tcpmsg.preferences";

export class Preferences extends Observable {
  theme: Theme = "system";
  notify: Notify = "nothing";
  /** Whether who is here is shown beside the conversation, where there is room. */
  people = true;
  readonly #storage: Storage;

  constructor(storage: Storage) {
    super();
    this.#storage = storage;
    const kept = read(storage, KEY);
    if (!isRecord(kept)) return;
    if (kept["theme"] === "light" || kept["theme"] === "dark") this.theme = kept["theme"];
    if (kept["notify"] === "calls" || kept["notify"] === "everything") this.notify = kept["notify"];
    if (kept["people"] === false) this.people = false;
  }

  set(news: Partial<Pick<Preferences, "theme" | "notify" | "people">>): void {
    Object.assign(this, news);
    write(this.#storage, KEY, { theme: this.theme, notify: this.notify, people: this.people });
    this.changedNow(); // a choice is seen as chosen at once
  }
}
