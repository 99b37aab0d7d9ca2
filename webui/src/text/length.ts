/**
 * How much of a long text is shown at first.
 *
 * Law of this file: the measure is what a screen bears; a long text is one click away, a huge one a download.
 */

export const MOST_LINES = 16;
export const MOST_CHARACTERS = 1200;

/** Characters that are shown at the most: beyond that a browser lays out for seconds. */
export const MOST_EXPANDED = 100_000;

export interface Shortened {
  readonly text: string;
  /** Lines that are left out; 0 if the text is whole, or its last line is cut. */
  readonly lines: number;
  readonly whole: boolean;
}

/** Return the beginning of a text that is long, at the end of a line if that is near. */
export function shorten(text: string): Shortened {
  let end = 0;
  for (let line = 0; line < MOST_LINES; line += 1) {
    const next = text.indexOf("\n", end);
    if (next < 0 || next > MOST_CHARACTERS) {
      end = next < 0 ? text.length : end;
      break;
    }
    end = next + 1;
  }
  if (end > MOST_CHARACTERS || end === 0) end = Math.min(text.length, MOST_CHARACTERS);
  // a few lines more than the measure are not worth a click
  if (text.length - end < MOST_CHARACTERS / 4 && count(text, end) <= MOST_LINES / 4) end = text.length;
  if (end >= text.length) return { text, lines: 0, whole: true };
  const kept = text.slice(0, end).replace(/[\ud800-\udbff]$/, "");
  const fences = kept.split("```").length - 1;
  return {
    text: kept.replace(/\n$/, "") + (fences % 2 ? "\n```" : ""),
    lines: count(text, end),
    whole: false,
  };
}

function count(text: string, from: number): number {
  let lines = from > 0 && text[from - 1] === "\n" ? 1 : 0;
  for (let at = text.indexOf("\n", from); at >= 0; at = text.indexOf("\n", at + 1)) lines += 1;
  return text.endsWith("\n") ? lines - 1 : lines;
}
