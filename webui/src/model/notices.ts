/**
 * What is said beside the conversations: short notices on the screen, words for screen readers,
 * and the browser's notifications for those who asked.
 *
 * Law of this file: a screen reader is told what is new once, in few words, however much comes.
 */

import type { Conversation } from "./conversation";
import type { Said } from "./entry";
import { Observable } from "./observable";
import type { Preferences } from "./preferences";

/** How long, in milliseconds, a notice stays. */
export const NOTICE_TIME = 8000;

/** Characters of a message that are read out, or stand in a notification. */
const EXCERPT = 160;

export interface Notice {
  readonly key: number;
  readonly text: string;
  readonly tone: "plain" | "bad";
}

export class Notices extends Observable {
  notices: readonly Notice[] = [];
  /** What a screen reader says next. */
  spoken = "";
  #next = 0;

  /** Show a notice for some seconds; it is spoken, too. */
  show(text: string, tone: Notice["tone"] = "plain"): void {
    const key = (this.#next += 1);
    this.notices = [...this.notices.slice(-2), { key, text, tone }];
    setTimeout(() => this.dismiss(key), NOTICE_TIME);
    this.speak(text);
  }

  dismiss(key: number): void {
    this.notices = this.notices.filter((notice) => notice.key !== key);
    this.changed();
  }

  /** Have a screen reader say something; the same again is said again. */
  speak(text: string): void {
    this.spoken = text === this.spoken ? `${text}\u00a0` : text;
    this.changed();
  }

  /** Tell of what came into the conversation that is open. */
  heard(messages: readonly Said[], where: Conversation): void {
    const others = messages.filter((message) => !message.mine);
    const last = others.at(-1);
    if (last === undefined) return;
    this.speak(
      others.length > 2
        ? `${others.length} new messages in ${where.name}, the last from ${last.sender}`
        : others.map((message) => `${message.sender}: ${excerpt(message)}`).join(". "),
    );
  }
}

/** Return the beginning of a message, on one line. */
export function excerpt(message: Said): string {
  if (typeof message.content !== "string") return "binary data";
  const line = message.content.replace(/\s+/g, " ").trim();
  return line.length > EXCERPT ? `${line.slice(0, EXCERPT)}…` : line;
}

/** Show the browser's notification of a message, if that was asked for and nobody is looking. */
export function notify(
  message: Said,
  where: Conversation,
  preferences: Preferences,
  open: () => void,
): void {
  const wanted =
    preferences.notify === "everything" ||
    (preferences.notify === "calls" && (message.calls || where.direct));
  if (!wanted || message.mine || document.hasFocus()) return;
  if (typeof Notification === "undefined" || Notification.permission !== "granted") return;
  const title = where.direct ? message.sender : `${message.sender} in ${where.name}`;
  try {
    const shown = new Notification(title, { body: excerpt(message), tag: where.name, icon: "/icon.svg" });
    shown.onclick = () => {
      window.focus();
      open();
      shown.close();
    };
  } catch {
    // Chrome on Android lets only service workers notify: the title's count must do
  }
}
