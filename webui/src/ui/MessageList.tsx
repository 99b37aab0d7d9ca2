/**
 * The messages of a conversation, of which only those near the eye are drawn.
 *
 * Law of this file: what one reads stays where it is, whatever comes above or below; what is older is here before the eye
 * comes to it.
 */

import { type ReactElement, type RefObject, useCallback, useEffect, useImperativeHandle, useRef } from "react";
import { Virtuoso, type VirtuosoHandle } from "react-virtuoso";
import type { Conversation } from "../model/conversation";
import { useRowActions } from "./actions";
import { useCurrentRow } from "./current";
import { NEAR, useEnd } from "./end";
import { useModel, usePage } from "./hooks";
import { Icon } from "./icons";
import { Beginning, Empty, Loading, Older, Shut } from "./NoMessages";
import { Row } from "./Row";
import { at, firstUnread, joint, keyOf } from "./rows";

/** Rows above the eye at which older messages are asked for: a fast wheel does not outrun them. */
const AHEAD = 300;

/** Pixels that are drawn beyond what is seen. */
const MARGIN = { top: 800, bottom: 400 };

export interface ListHandle {
  /** Go to the end. */
  toEnd(): void;
  /** Give the last row the keyboard. */
  focusLast(): void;
}

interface Props {
  readonly conversation: Conversation;
  readonly handle: RefObject<ListHandle | null>;
  readonly onLeave: () => void;
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

function Rows({ conversation, handle, onLeave }: Props): ReactElement {
  const { session } = usePage();
  useModel(conversation);
  const me = session.name;
  const list = useRef<VirtuosoHandle>(null);
  const scroller = useRef<HTMLElement>(null);
  const first = useRef(Infinity);
  const { entries, sending, firstIndex } = conversation;
  const count = entries.length + sending.length;

  const loadIfNear = useCallback(() => {
    if (first.current - conversation.firstIndex < AHEAD && conversation.error === null) void session.history.older(conversation);
  }, [conversation, session]);
  useEffect(loadIfNear);

  const { atEnd, toEnd, follow, letGo, reached, attach } = useEnd(conversation, list, scroller);
  const { focusLast, ...row } = useCurrentRow(conversation, { list, scroller, letGo, onLeave });
  const actions = useRowActions(conversation);
  useImperativeHandle(handle, () => ({ toEnd, focusLast }), [toEnd, focusLast]);

  const draw = (index: number): ReactElement => {
    const place = index - conversation.firstIndex;
    const entry = at(conversation, place);
    if (entry === undefined) return <div className="row-nothing" />;
    const drawn = (
      <Row
        entry={entry}
        {...joint(conversation, place, me)}
        me={me}
        room={conversation.name}
        current={row.isCurrent(index)}
        actions={actions}
      />
    );
    if (place > 0 || !conversation.complete) return drawn;
    return (
      <>
        <Beginning conversation={conversation} />
        {drawn}
      </>
    );
  };

  const start = firstUnread(conversation);
  return (
    // keys move among the rows inside, which show what can be done with them
    // eslint-disable-next-line jsx-a11y/no-static-element-interactions
    <div
      className="messages"
      onKeyDown={row.onKeyDown}
      onMouseOver={row.onMouseOver}
      onMouseLeave={row.onMouseLeave}
      onFocus={row.onFocus}
      onBlur={row.onBlur}
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
        isScrolling={row.scrolled}
        atBottomStateChange={reached}
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

function Footer(): ReactElement {
  return <div className="messages-foot" />;
}

function Header({ context }: { context?: Conversation }): ReactElement | null {
  return context === undefined ? null : <Older conversation={context} />;
}
