/**
 * What names, rooms and mentions look like: the protocol's rules, and the sentences that say so.
 *
 * Law of this file: one place for each rule, as in the server's `wire/names.py`.
 */

export const NAME_RULE = "A name is 1 to 24 letters from A to Z, digits, dots, dashes or underscores.";
export const ROOM_RULE = "A room’s name is 1 to 32 letters from A to Z, digits, dots, dashes or underscores.";

const NAME = /^[A-Za-z0-9._-]{1,24}$/;
const ROOM = /^[A-Za-z0-9._-]{1,32}$/;

export function isName(text: string): boolean {
  return NAME.test(text);
}

export function isRoom(text: string): boolean {
  return ROOM.test(text);
}

/** Whether something names one member's direct messages rather than a room. */
export function isDirect(conversation: string): boolean {
  return conversation.startsWith("@");
}

/** Whether something can be written to: a room, or `@` and a name. */
export function isPlace(text: string): boolean {
  return isDirect(text) ? isName(text.slice(1)) : isRoom(text);
}

/** The name in what follows an `@` in a text, where a full stop ends the sentence, not the name; but for the reader's
 * own name, which may end in one. */
export function mentioned(word: string, me: string): string {
  return me !== "" && isMention(word, me) ? word.slice(0, me.length) : word.replace(/[.-]+$/, "");
}

/** Whether what follows an `@` calls for somebody: it is the name, or the name and what ends a sentence. */
function isMention(word: string, name: string): boolean {
  return word.slice(0, name.length).toLowerCase() === name.toLowerCase() && /^[.-]*$/.test(word.slice(name.length));
}

/** Whether a text calls for somebody. */
export function mentions(text: string, name: string): boolean {
  for (const found of text.matchAll(MENTION)) {
    if (isMention(found[1] ?? "", name)) return true;
  }
  return false;
}

/** An `@` that no word stands before, and what may be a name. */
export const MENTION = /(?<![A-Za-z0-9._@/-])@([A-Za-z0-9._-]{1,24})(?![A-Za-z0-9_])/g;
