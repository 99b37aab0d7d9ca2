/**
 * How names look: each in a colour of its own, the same everywhere and always.
 *
 * Law of this file: the colours are the style sheet's, checked for contrast in both themes; here is only which.
 */

import type { ReactElement } from "react";

/** How many colours the style sheet has: `.tint-0` to `.tint-9`. */
export const TINTS = 10;

export function tint(name: string): string {
  let sum = 7;
  for (let index = 0; index < name.length; index += 1) {
    sum = (sum * 31 + name.charCodeAt(index)) >>> 0;
  }
  return `tint-${((sum ^ (sum >>> 15)) >>> 0) % TINTS}`;
}

/** Two letters of a name on its colour. */
export function Monogram({ name, small = false }: { name: string; small?: boolean }): ReactElement {
  const parts = name.split(/[._-]+/).filter(Boolean);
  const letters =
    parts.length > 1 ? (parts[0]?.[0] ?? "") + (parts.at(-1)?.[0] ?? "") : (parts[0] ?? name).slice(0, 2);
  return (
    <span className={`monogram ${tint(name)} ${small ? "monogram-small" : ""}`} aria-hidden="true">
      {letters.toUpperCase()}
    </span>
  );
}
