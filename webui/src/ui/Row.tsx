/**
 * One row of a conversation: a message, a gap, or what one is sending.
 *
 * Law of this file: a row is drawn from what it is given and remembers nothing, for it is made and thrown away as
 * one scrolls; it is drawn again only if something of it is different.
 */

import { memo, type ReactElement, useEffect, useRef } from "react";
import { isAction } from "../model/commands";
import { UNCERTAIN } from "../model/outgoing";
import type { Entry, Said, Sending } from "../model/entry";
import { dayName, shortTime, timeOfDay, wholeTime } from "../text/times";
import { useMedia } from "./hooks";
import { Icon } from "./icons";
import { Monogram, tint } from "./names";
import type { Joint } from "./rows";
import { Body } from "./Text";

export interface RowActions {
  readonly copy: (entry: Said) => void;
  readonly mention: (name: string) => void;
  readonly talkTo: (name: string) => void;
  readonly retry: (key: string) => void;
  readonly takeBack: (key: string) => void;
}

interface Props extends Joint {
  readonly entry: Entry | Sending;
  readonly me: string;
  readonly room: string;
  /** Whether the keyboard or the mouse is at this row: only then is there what it offers, for it costs more than the rest. */
  readonly current: boolean;
  readonly actions: RowActions;
}

export const Row = memo(function Row(props: Props): ReactElement {
  const { entry, day, divided } = props;
  return (
    <>
      {day !== null && (
        <div className="day" role="separator" aria-label={dayName(day)}>
          <span>{dayName(day)}</span>
        </div>
      )}
      {divided && (
        <div className="divider" role="separator" aria-label="New messages">
          <span>New</span>
        </div>
      )}
      {entry.kind === "said" || entry.kind === "sending" ? <Message {...props} entry={entry} /> : <Gap entry={entry} />}
    </>
  );
});

/** A message, stored or on its way: one element for both, so that it keeps the keyboard when it is stored. */
function Message({ entry, together, me, room, current, actions }: Props & { entry: Said | Sending }): ReactElement {
  const said = entry.kind === "said";
  const sender = said ? entry.sender : me;
  const state = said ? (entry.calls ? "row-calls" : "") : `row-own row-${entry.state}`;
  const action = typeof entry.content === "string" && isAction(sender, entry.content) ? "row-action" : "";
  const title = room.replace("@", "");
  const when = said && !room.startsWith("@") ? `${wholeTime(entry.time)}, number ${entry.seq}` : wholeTime(entry.time);
  return (
    <article
      className={`row ${together ? "row-together" : ""} ${action} ${state}`}
      aria-label={said ? `${sender}, ${timeOfDay(entry.time)}` : `You, ${MARKS[entry.state].text}`}
      tabIndex={-1}
      data-row=""
    >
      <Gutter name={sender} time={entry.time} when={when} together={together} />
      <div className="row-body">
        {!together && (
          <div className="row-head">
            <span className={`row-name ${tint(sender)}`}>{sender}</span>
            {(!said || entry.mine) && <span className="row-you">you</span>}
            {said && <time title={when}>{timeOfDay(entry.time)}</time>}
          </div>
        )}
        <Body content={entry.content} title={said ? `${title}-${entry.seq}` : title} me={me} />
        {!said && <Mark entry={entry} actions={actions} />}
      </div>
      {said && current && <Offers entry={entry} room={room} actions={actions} />}
    </article>
  );
}

/** What can be done with a message. */
function Offers({ entry, room, actions }: { entry: Said; room: string; actions: RowActions }): ReactElement {
  const touch = useMedia("(pointer: coarse)");
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (touch) bar.current?.scrollIntoView?.({ block: "nearest" }); // there it stands below the text, perhaps out of sight
  }, [touch]);
  return (
    <div ref={bar} className="row-actions" role="group" aria-label="What can be done with this message">
      {typeof entry.content === "string" && (
        <button type="button" className="button-icon" aria-label="Copy text" title="Copy text" onClick={() => actions.copy(entry)}>
          <Icon name="copy" size={16} />
        </button>
      )}
      {!entry.mine && (
        <>
          <button type="button" className="button-icon" aria-label={`Mention ${entry.sender}`} title={`Mention ${entry.sender}`} onClick={() => actions.mention(entry.sender)}>
            <Icon name="reply" size={16} />
          </button>
          {!room.startsWith("@") && (
            <button type="button" className="button-icon" aria-label={`Write to ${entry.sender} alone`} title={`Write to ${entry.sender} alone`} onClick={() => actions.talkTo(entry.sender)}>
              <Icon name="send" size={16} />
            </button>
          )}
        </>
      )}
    </div>
  );
}

function Gutter({ name, time, when, together }: { name: string; time: number; when: string; together: boolean }): ReactElement {
  return (
    <div className="row-gutter">
      {together ? (
        <time className="row-time" title={when}>
          {shortTime(time)}
        </time>
      ) : (
        <Monogram name={name} />
      )}
    </div>
  );
}

const MARKS = {
  waiting: { icon: "clock", text: "Waiting for a connection" },
  sent: { icon: "clock", text: "Sending" },
  stored: { icon: "check", text: "Stored" },
  failed: { icon: "warning", text: "Not sent" },
} as const;

/** How far a message of one's own has come, and what can be done about it. */
function Mark({ entry, actions }: { entry: Sending; actions: RowActions }): ReactElement {
  const mark = MARKS[entry.state];
  return (
    <div className="row-mark">
      <span>
        <Icon name={mark.icon} size={14} /> {entry.reason === null ? mark.text : `${entry.uncertain === true ? UNCERTAIN : "Not sent"}: ${entry.reason}`}
      </span>
      {entry.state === "failed" && (
        <>
          <button type="button" className="button-link" onClick={() => actions.retry(entry.key)}>
            Send again
          </button>
          <button type="button" className="button-link" onClick={() => actions.takeBack(entry.key)}>
            {typeof entry.content === "string" ? "Edit" : "Discard"}
          </button>
        </>
      )}
      {entry.state === "waiting" && (
        <button type="button" className="button-link" onClick={() => actions.takeBack(entry.key)}>
          Take back
        </button>
      )}
    </div>
  );
}

function Gap({ entry }: { entry: Exclude<Entry, Said> }): ReactElement {
  if (entry.kind === "replaced") {
    return (
      <div className="gap" role="note">
        The server has another history now. What stood here before is gone from it.
      </div>
    );
  }
  const count = entry.last - entry.first + 1;
  return (
    <div className="gap" role="note">
      {count === 1 ? "A message is" : `Up to ${count.toLocaleString()} messages are`} missing here: the server no longer keeps what is older than
      its limits.
    </div>
  );
}

