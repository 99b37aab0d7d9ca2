/**
 * The row that somebody is at, by the keyboard or the mouse.
 *
 * Law of this file: the keyboard goes from row to row, and from the last one back to where one writes; it is lost to no row
 * that goes, or is drawn anew. While the list scrolls, rows that pass below the mouse are not meant.
 */

import { type FocusEvent, type KeyboardEvent, type MouseEvent, type RefObject, useCallback, useRef, useState } from "react";
import type { VirtuosoHandle } from "react-virtuoso";
import type { Conversation } from "../model/conversation";

/** Frames in which a row must have been drawn that the keyboard is to go to: a second where all goes well. */
const FRAMES = 60;

interface List {
  readonly list: RefObject<VirtuosoHandle | null>;
  /** What it scrolls in. */
  readonly scroller: RefObject<HTMLElement | null>;
  /** Called when the keyboard goes to a row: the end is followed no longer. */
  readonly letGo: () => void;
  /** Called when the keyboard goes back to where one writes. */
  readonly onLeave: () => void;
}

export interface CurrentRow {
  readonly isCurrent: (index: number) => boolean;
  /** Give the last row the keyboard. */
  readonly focusLast: () => void;
  /** The list begins to scroll, or stops. */
  readonly scrolled: (scrolls: boolean) => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
  readonly onMouseOver: (event: MouseEvent) => void;
  readonly onMouseLeave: () => void;
  readonly onFocus: (event: FocusEvent) => void;
  readonly onBlur: (event: FocusEvent) => void;
}

export function useCurrentRow(conversation: Conversation, { list, scroller, letGo, onLeave }: List): CurrentRow {
  const [current, setCurrent] = useState<number | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const scrolling = useRef(false);
  /** Counts the rows that the keyboard was to go to: only the last of them gets it. */
  const sought = useRef(0);
  const { entries, sending, firstIndex } = conversation;
  const count = entries.length + sending.length;

  const focus = useCallback((index: number) => {
    const wanted = (sought.current += 1);
    setCurrent(index);
    letGo();
    // A list that was just made hides its rows until it has measured them, and a row that is drawn anew in this
    // very moment takes the keyboard with it: so it is tried until the row has it, or another one is wanted.
    const seek = (frames: number): void => {
      if (wanted !== sought.current || frames === 0) return;
      const row = scroller.current?.querySelector<HTMLElement>(`[data-item-index="${index}"] [data-row]`);
      if (frames < FRAMES && row?.contains(document.activeElement)) return;
      if (row) row.focus();
      else if (frames === FRAMES) list.current?.scrollToIndex({ index: index - conversation.firstIndex, align: "center" });
      requestAnimationFrame(() => seek(frames - 1));
    };
    seek(FRAMES);
  }, [conversation, list, scroller, letGo]);

  const leave = (): void => {
    sought.current += 1;
    onLeave();
  };

  // what the conversation has now, not what was drawn of it: a key may come before the frame
  const focusLast = useCallback(() => {
    const { entries, sending, firstIndex } = conversation;
    const end = firstIndex + entries.length + sending.length - 1;
    if (end >= firstIndex) focus(end);
  }, [conversation, focus]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const end = firstIndex + count - 1;
    const inRow = event.target instanceof HTMLElement && event.target.closest("[data-row]") !== null;
    if (event.key === "Escape") {
      leave();
    } else if (event.key === "ArrowUp" && count > 0) {
      focus(current === null || !inRow ? end : Math.max(firstIndex, current - 1));
    } else if (event.key === "ArrowDown" && count > 0) {
      if (current === null || current >= end) leave();
      else focus(current + 1);
    } else if (/^(Page|Home)/.test(event.key)) {
      scroller.current?.focus({ preventScroll: true }); // the row will not be there any more
      return;
    } else if (event.key === "End" && inRow && count > 0) {
      focus(end);
    } else {
      return;
    }
    event.preventDefault();
  };

  return {
    isCurrent: (index) => index === current || index === hovered,
    focusLast,
    scrolled: (scrolls) => {
      scrolling.current = scrolls;
      if (!scrolls) setHovered(indexOf(scroller.current?.querySelector("[data-item-index]:hover") ?? null));
    },
    onKeyDown,
    onMouseOver: (event) => !scrolling.current && setHovered(indexOf(event.target)),
    onMouseLeave: () => setHovered(null),
    onFocus: (event) => setCurrent(indexOf(event.target)),
    onBlur: (event) => {
      if (event.currentTarget.contains(event.relatedTarget)) return;
      if (event.relatedTarget !== null) sought.current += 1; // it was put elsewhere: no row takes it back
      setCurrent(null);
    },
  };
}

/** The row that an element stands in, or null. */
function indexOf(target: EventTarget | null): number | null {
  const row = target instanceof Element ? target.closest<HTMLElement>("[data-item-index]") : null;
  return row === null ? null : Number(row.dataset["itemIndex"]);
}
