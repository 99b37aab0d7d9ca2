/**
 * What stands in a message's text: code, links, mentions, and the rest.
 *
 * Law of this file: a text goes through once, from left to right, in time proportional to its length, and
 * comes out complete: the pieces joined are the text, but for fences and backquotes. Nothing here makes markup;
 * pieces are values that React writes as text.
 */

import { isName, mentioned } from "../model/grammar";

export type Inline =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "link"; readonly text: string; readonly href: string }
  | { readonly kind: "mention"; readonly text: string; readonly name: string };

export type Block =
  | { readonly kind: "prose"; readonly inlines: readonly Inline[] }
  | { readonly kind: "code"; readonly language: string; readonly text: string };

const FENCE = "```";

/** Pieces of one text that are more than text. What comes behind them is shown as it is: a browser lays out an
 * element in the time of a hundred letters, and a key must not wait for ten thousand of them. */
export const MOST_PIECES = 1000;

/** Split a text into prose and fenced code, for a reader of this name. A fence that nothing closes is text. */
export function parse(text: string, me = ""): Block[] {
  const blocks: Block[] = [];
  let prose = 0;
  let at = 0;
  let most = MOST_PIECES;
  const take = (end: number): void => {
    const part = text.slice(prose, end).replace(/^\n|\n$/g, "");
    if (part === "") return;
    const found = inlines(part, me, most);
    most -= found.length >> 1;
    blocks.push({ kind: "prose", inlines: found });
  };
  for (; most > 0; most -= 1) {
    const open = text.indexOf(FENCE, at);
    if (open < 0) break;
    if (open > 0 && text[open - 1] !== "\n") {
      at = open + FENCE.length;
      continue;
    }
    const close = text.indexOf(FENCE, open + FENCE.length);
    if (close < 0) break;
    const inside = text.slice(open + FENCE.length, close);
    const line = inside.indexOf("\n");
    const language = line < 0 ? "" : inside.slice(0, line).trim();
    const named = /^[A-Za-z0-9+#._-]{0,24}$/.test(language) && line >= 0;
    const code = named ? inside.slice(line + 1) : inside;
    take(open);
    blocks.push({ kind: "code", language: named ? language : "", text: visible(code.replace(/\n$/, "")) });
    prose = at = close + FENCE.length;
  }
  take(text.length);
  return blocks;
}

/** A backquoted word or more, a link, or a mention: whichever comes first. */
const PIECE =
  /`([^`\n]+)`|\b(?:https?:\/\/|mailto:)[^\s<>"`]+|(?<![A-Za-z0-9._@/-])@([A-Za-z0-9._-]{1,24})(?![A-Za-z0-9_])/gi;

function inlines(text: string, me: string, most: number): Inline[] {
  const found: Inline[] = [];
  let end = 0;
  const push = (at: number, piece: Inline): void => {
    if (at > end) found.push({ kind: "text", text: visible(text.slice(end, at)) });
    found.push(piece);
  };
  for (const match of text.matchAll(PIECE)) {
    if (found.length >= 2 * most) break;
    const [whole, code, name] = match;
    if (code !== undefined) {
      push(match.index, { kind: "code", text: visible(code) });
      end = match.index + whole.length;
    } else if (name !== undefined) {
      const called = mentioned(name, me);
      if (!isName(called)) continue;
      push(match.index, { kind: "mention", text: `@${called}`, name: called });
      end = match.index + 1 + called.length;
    } else {
      const link = trimmed(whole);
      const href = safeHref(link);
      if (href === null) continue;
      push(match.index, { kind: "link", text: visible(link), href });
      end = match.index + link.length;
    }
  }
  if (end < text.length) found.push({ kind: "text", text: visible(text.slice(end)) });
  return found;
}

/** Leave out what ends a sentence rather than a link, and a bracket that was opened before it. */
function trimmed(link: string): string {
  let end = link.length;
  for (; end > 0; end -= 1) {
    const last = link[end - 1] ?? "";
    if (".,;:!?'*_".includes(last)) continue;
    const opening = { ")": "(", "]": "[", "}": "{" }[last];
    if (opening !== undefined && balance(link, end, opening, last) < 0) continue;
    break;
  }
  return link.slice(0, end);
}

/** How many more brackets are opened than closed in a link's beginning: looked at for short links only. */
function balance(link: string, end: number, opening: string, closing: string): number {
  if (end > 2048) return 0;
  let open = 0;
  for (let index = 0; index < end; index += 1) {
    if (link[index] === opening) open += 1;
    else if (link[index] === closing) open -= 1;
  }
  return open;
}

const SCHEMES = new Set(["http:", "https:", "mailto:"]);

/** Return where a link leads, or null if that is nowhere that a link may lead. */
export function safeHref(link: string): string | null {
  try {
    const url = new URL(link);
    return SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** Characters that show nothing, or make others show in another order, but for tab and line feed. */
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Make visible what would show nothing, or disorder the rest. */
export function visible(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(UNSEEN, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}
