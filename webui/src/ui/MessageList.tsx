/**
 * The messages of a conversation, of which only those near the eye are drawn.
 *
 * Law of this file: what one reads stays where it is, whatever comes above or below; the end is followed only by
 * who is there.
 */

import { type KeyboardEvent, type ReactElement, type RefObject, useCallback, useEffect, useImperativeHandle, useMemo, useRef, useState } from "react";
import { Virtuoso, type VirtuosoHandle } from "react-virtuoso";
import type { Conversation } from "../model/conversation";
import type { Entry, Said, Sending } from "../model/entry";
import { dayOf } from "../text/times";
import { useAttention, useModel, usePage } from "./hooks";
import { Icon } from "./icons";
import { Row, type RowActions, TOGETHER } from "./Row";
import { sentence } from "./Standing";

/** Rows above the eye at which older messages are asked for: a fast wheel does not outrun them. */
const AHEAD = 300;

/** Pixels that are drawn beyond what is seen. */
const MARGIN = { top: 800, bottom: 400 };

/** Pixels from the end within which one is at the end. */
const NEAR = 48;

export interface ListHandle {
  /** Go to the end. */
  toEnd(): void;
  /** Give the last row the keyboard. */
  focusLast(): void;
}

/** Frames in which a row must have been drawn that the keyboard is to go to: a second where all goes well. */
const FRAMES = 60;

/** What somebody does who scrolls: a wheel, a finger, a scroll bar, a key. */
const TAKING_OVER = ["wheel", "touchmove", "pointerdown", "keydown"] as const;

interface Props {
  readonly conversation: Conversation;
  readonly handle: RefObject<ListHandle | null>;
  readonly onLeave: () => void;
}

function at(conversation: Conversation, index: number): Entry | Sending | undefined {
  const { entries, sending } = conversation;
  return index < entries.length ? entries[index] : sending[index - entries.length];
}

/** The messages, or what stands in their place while there are none. */
export function MessageList(props: Props): ReactElement {
  const conversation = useModel(props.conversation);
  const { entries, sending, settled, ended } = conversation;
  if (sending.length === 0) {
    if (!settled && ended !== null) return <Shut conversation={conversation} />;
    if (!settled) return <Loading what={conversation.name} />;
    if (entries.length === 0) return <Empty conversation={conversation} />;
  }
  return <Rows key={String(settled)} {...props} />; // made anew when it is known where one reads on
}

/** Say that what comes is read, or not. */
function useAttend(conversation: Conversation, atEnd: boolean): void {
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

function Rows({ conversation, handle, onLeave }: Props): ReactElement {
  const { session, write, restore } = usePage();
  useModel(conversation);
  const me = session.name;
  const list = useRef<VirtuosoHandle>(null);
  const scroller = useRef<HTMLElement | null>(null);
  const first = useRef(Infinity);
  const [atEnd, setAtEnd] = useState(conversation.divider === null); // what is unread is read when it is seen
  const [current, setCurrent] = useState<number | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const scrolling = useRef(false);
  /** Counts the rows that the keyboard was to go to: only the last of them gets it. */
  const sought = useRef(0);
  const { entries, sending, firstIndex } = conversation;
  const count = entries.length + sending.length;

  const loadIfNear = useCallback(() => {
    if (first.current - conversation.firstIndex < AHEAD && conversation.error === null) void session.history.older(conversation);
  }, [conversation, session]);
  useEffect(loadIfNear);

  useAttend(conversation, atEnd);

  // Whether the end is to be followed: until somebody scrolls away from it, whatever grows above, below or around.
  const follows = useRef(conversation.divider === null);
  const toEnd = useCallback(() => {
    follows.current = true;
    list.current?.scrollToIndex({ index: "LAST", align: "end" });
  }, []);
  const follow = useCallback(() => {
    if (follows.current) list.current?.scrollToIndex({ index: "LAST", align: "end" });
  }, []);
  const letGo = useCallback(() => {
    follows.current = false;
  }, []);
  const watch = useRef<ResizeObserver | null>(null);
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
    [follow, letGo],
  );
  const ended = useCallback((end: boolean) => {
    if (end) follows.current = true;
    setAtEnd(end);
  }, []);

  const last = sending.at(-1)?.key;
  useEffect(() => {
    if (last !== undefined) toEnd();
  }, [last, toEnd]);

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
  }, [conversation, letGo]);

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
  useImperativeHandle(handle, () => ({ toEnd, focusLast }), [toEnd, focusLast]);

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

  const actions = useMemo<RowActions>(
    () => ({
      copy: (entry: Said) => {
        void copy(String(entry.content)).then((done) => session.notices.show(done ? "Copied" : "The browser does not let this page copy", done ? "plain" : "bad"));
      },
      mention: (name) => write(`@${name} `),
      talkTo: (name) => session.enter(`@${name}`),
      retry: (key) => session.outgoing.retry(conversation.name, key),
      takeBack: (key) => {
        const content = session.outgoing.takeBack(conversation.name, key);
        if (typeof content === "string") restore(content);
        else if (content === null) session.notices.show("It was sent already");
      },
    }),
    [session, conversation, write, restore],
  );

  const draw = (index: number): ReactElement => {
    const place = index - conversation.firstIndex;
    const entry = at(conversation, place);
    if (entry === undefined) return <div className="row-nothing" />;
    const before = at(conversation, place - 1);
    const timed = "time" in entry ? entry.time : null;
    const divided = entry.kind === "said" && conversation.divider !== null && entry.seq > conversation.divider && !(before?.kind === "said" && before.seq > conversation.divider);
    const timedBefore = before !== undefined && "time" in before ? before.time : null;
    const newDay = timed !== null && (timedBefore === null || dayOf(timed) !== dayOf(timedBefore));
    const row = (
      <Row
        entry={entry}
        together={!divided && !newDay && timed !== null && timedBefore !== null && timed - timedBefore < TOGETHER && speaker(entry, me) === speaker(before, me)}
        day={newDay ? timed : null}
        divided={divided}
        me={me}
        room={conversation.name}
        current={index === current || index === hovered}
        actions={actions}
      />
    );
    if (place > 0 || !conversation.complete) return row;
    return (
      <>
        <Beginning conversation={conversation} />
        {row}
      </>
    );
  };

  const start = conversation.divider === null ? -1 : entries.findIndex((entry) => entry.kind === "said" && entry.seq > (conversation.divider ?? 0));
  return (
    // keys move among the rows inside, which show what can be done with them
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      className="messages"
      onKeyDown={onKeyDown}
      onMouseOver={(event) => !scrolling.current && setHovered(indexOf(event.target))}
      onMouseLeave={() => setHovered(null)}
      onFocus={(event) => setCurrent(indexOf(event.target))}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setCurrent(null)}
    >
      <Virtuoso
        key={conversation.name}
        ref={list}
        scrollerRef={attach}
        totalListHeightChanged={follow}
        className="messages-scroller"
        role="log"
        aria-label={`Messages in ${conversation.name}`}
        aria-live="off"
        firstItemIndex={firstIndex}
        totalCount={count}
        initialTopMostItemIndex={start < 0 ? { index: count - 1, align: "end" } : { index: start, align: "center" }}
        itemContent={draw}
        computeItemKey={(index) => keyOf(at(conversation, index - conversation.firstIndex), index)}
        alignToBottom
        followOutput={(end) => (end ? "auto" : false)}
        atBottomThreshold={NEAR}
        isScrolling={(is) => {
          scrolling.current = is;
          if (!is) setHovered(indexOf(scroller.current?.querySelector("[data-item-index]:hover") ?? null));
        }}
        atBottomStateChange={ended}
        increaseViewportBy={MARGIN}
        defaultItemHeight={48}
        rangeChanged={({ startIndex }) => {
          first.current = startIndex;
          loadIfNear();
        }}
        context={conversation}
        components={{ Header, Footer }}
      />
      {!atEnd && (
        <button type="button" className="to-end" onClick={toEnd}>
          <Icon name="down" size={16} />
          <span>{conversation.unread > 0 ? `${conversation.unread > 99 ? "99+" : conversation.unread} new` : "Newest"}</span>
        </button>
      )}
    </div>
  );
}

/** The row that an element stands in, or null. */
function indexOf(target: EventTarget | null): number | null {
  const row = target instanceof Element ? target.closest<HTMLElement>("[data-item-index]") : null;
  return row === null ? null : Number(row.dataset["itemIndex"]);
}

function speaker(entry: Entry | Sending | undefined, me: string): string | null {
  if (entry?.kind === "said") return entry.sender;
  return entry?.kind === "sending" ? me : null;
}

function keyOf(entry: Entry | Sending | undefined, index: number): string | number {
  if (entry?.kind === "said") return entry.key ?? entry.seq;
  if (entry?.kind === "sending") return entry.key;
  return `at ${index}`;
}

function Footer(): ReactElement {
  return <div className="messages-foot" />;
}

function Header({ context }: { context?: Conversation }): ReactElement | null {
  return context === undefined ? null : <Older conversation={context} />;
}

function Older({ conversation }: { conversation: Conversation }): ReactElement | null {
  const { session } = usePage();
  useModel(conversation);
  if (conversation.error !== null) {
    return (
      <div className="beginning" role="alert">
        <p>Older messages could not be loaded: {conversation.error.message}</p>
        <button type="button" className="button" onClick={() => void session.history.older(conversation)}>
          Try again
        </button>
      </div>
    );
  }
  if (!conversation.complete) {
    return (
      <div className="beginning">
        <Skeleton rows={3} />
      </div>
    );
  }
  return null;
}

function Beginning({ conversation }: { conversation: Conversation }): ReactElement {
  const oldest = conversation.oldest ?? 1;
  return (
    <div className="beginning">
      <h2>{conversation.direct ? `You and ${conversation.name.slice(1)}` : `The beginning of ${conversation.name}`}</h2>
      <p>
        {conversation.direct
          ? "Direct messages reach whoever has this name now. The server does not keep them; this browser does."
          : oldest > 1
            ? "What is older is no longer kept by the server."
            : "Nothing was said before."}
      </p>
    </div>
  );
}

function Empty({ conversation }: { conversation: Conversation }): ReactElement {
  useAttend(conversation, true);
  return (
    <div className="messages messages-empty">
      <div className="state">
        <h2>{conversation.direct ? `You and ${conversation.name.slice(1)}` : `${conversation.name} is quiet`}</h2>
        <p>
          {conversation.direct
            ? "What you write reaches whoever has this name now, and nobody else. The server does not keep it; this browser does."
            : "Nothing was said here yet. Say something, or invite a script:"}
        </p>
        {!conversation.direct && (
          <pre className="code">
            <code>tcpmsg send {conversation.name} "hello"</code>
          </pre>
        )}
      </div>
    </div>
  );
}

/** A room that one could not join. */
function Shut({ conversation }: { conversation: Conversation }): ReactElement {
  const { session } = usePage();
  return (
    <div className="messages messages-empty" role="alert">
      <div className="state">
        <h2>{conversation.name} cannot be opened</h2>
        <p>{conversation.ended === null ? "" : sentence(conversation.ended)}</p>
        <div className="state-acts">
          <button type="button" className="button button-main" onClick={() => session.rejoin(conversation)}>
            Try again
          </button>
        </div>
      </div>
    </div>
  );
}

export function Loading({ what }: { what: string }): ReactElement {
  return (
    <div className="messages messages-waiting" role="status" aria-label={`Loading ${what}`}>
      <Skeleton rows={6} />
    </div>
  );
}

const WIDTHS = ["62%", "38%", "81%", "47%", "70%", "33%"];

function Skeleton({ rows }: { rows: number }): ReactElement {
  return (
    <div className="skeleton" aria-hidden="true">
      {WIDTHS.slice(0, rows).map((width) => (
        <div className="skeleton-row" key={width}>
          <span className="skeleton-mark" />
          <span className="skeleton-lines">
            <span style={{ width: "96px" }} />
            <span style={{ width }} />
          </span>
        </div>
      ))}
    </div>
  );
}

/** Put a text into the clipboard, also where the page is not secure and there is no API for it. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
