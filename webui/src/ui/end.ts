/**
 * The end of a conversation: who follows it, and what is read there.
 *
 * Law of this file: the end is followed until somebody scrolls away from it, whatever grows above, below or around; what
 * comes is read only while the end is before somebody's eyes.
 */

import { type RefObject, useCallback, useEffect, useRef, useState } from "react";
import type { VirtuosoHandle } from "react-virtuoso";
import type { Conversation } from "../model/conversation";
import { useAttention } from "./hooks";

/** Pixels from the end within which one is at the end. */
export const NEAR = 48;

/** What somebody does who scrolls: a wheel, a finger, a scroll bar, a key. */
const TAKING_OVER = ["wheel", "touchmove", "pointerdown", "keydown"] as const;

/** Say that what comes is read, or not. */
export function useAttend(conversation: Conversation, atEnd: boolean): void {
  const attention = useAttention();
  useEffect(() => {
    conversation.reading(!atEnd);
    conversation.attend(attention && atEnd && conversation.live);
  }, [conversation, attention, atEnd, conversation.live]);
  useEffect(
    () => () => {
      conversation.attend(false);
      conversation.reading(false);
    },
    [conversation],
  );
}

export interface End {
  readonly atEnd: boolean;
  /** Go there, and follow it. */
  readonly toEnd: () => void;
  /** Go there if it is followed: something has grown. */
  readonly follow: () => void;
  /** Follow it no longer. */
  readonly letGo: () => void;
  /** The list says whether it is at the end. */
  readonly reached: (atEnd: boolean) => void;
  /** The list scrolls in this element. */
  readonly attach: (element: HTMLElement | Window | null) => void;
}

/** Follow the end of a list, and whenever oneself says something, go there. `scroller` is filled with what it scrolls in. */
export function useEnd(conversation: Conversation, list: RefObject<VirtuosoHandle | null>, scroller: RefObject<HTMLElement | null>): End {
  const [atEnd, setAtEnd] = useState(conversation.divider === null); // what is unread is read when it is seen
  const follows = useRef(conversation.divider === null);
  const watch = useRef<ResizeObserver | null>(null);
  useAttend(conversation, atEnd);

  const follow = useCallback(() => {
    if (follows.current) list.current?.scrollToIndex({ index: "LAST", align: "end" });
  }, [list]);
  const toEnd = useCallback(() => {
    follows.current = true;
    follow();
  }, [follow]);
  const letGo = useCallback(() => {
    follows.current = false;
  }, []);
  const reached = useCallback((end: boolean) => {
    if (end) follows.current = true;
    setAtEnd(end);
  }, []);
  const attach = useCallback(
    (element: HTMLElement | Window | null) => {
      const before = scroller.current;
      watch.current?.disconnect();
      for (const event of TAKING_OVER) before?.removeEventListener(event, letGo);
      scroller.current = element as HTMLElement | null;
      if (scroller.current === null) return;
      for (const event of TAKING_OVER) scroller.current.addEventListener(event, letGo, { passive: true });
      watch.current = new ResizeObserver(follow);
      watch.current.observe(scroller.current);
    },
    [scroller, follow, letGo],
  );

  const last = conversation.sending.at(-1)?.key;
  useEffect(() => {
    if (last !== undefined) toEnd();
  }, [last, toEnd]);

  return { atEnd, toEnd, follow, letGo, reached, attach };
}
