/**
 * Rooms and people one talks with, and oneself.
 *
 * Law of this file: what calls for somebody stands out, what is merely new is seen, all else is quiet.
 */

import { type ReactElement, useEffect, useRef } from "react";
import type { Conversation } from "../model/conversation";
import { useModel, usePage } from "./hooks";
import { Icon } from "./icons";
import { Monogram } from "./names";

export function Sidebar({ onChoose }: { onChoose?: () => void }): ReactElement {
  const { session, show } = usePage();
  useModel(session);
  const { rooms, directs, open } = session.conversations;
  const choose = (name: string): void => {
    session.enter(name);
    onChoose?.();
  };
  return (
    <div className="sidebar">
      <header className="sidebar-head">
        <img src="/icon.svg" alt="" width={26} height={26} />
        <span className="sidebar-title">
          <strong>tcpmsg</strong>
          <span className="faint">{location.host}</span>
        </span>
      </header>
      <button type="button" className="sidebar-go" onClick={() => show("go")}>
        <Icon name="search" size={16} />
        <span>Go to…</span>
        <kbd>{modifier}K</kbd>
      </button>
      <nav className="sidebar-lists" aria-label="Conversations">
        <section>
          <h2 id="rooms">Rooms</h2>
          <ul aria-labelledby="rooms">
            {rooms.map((room) => (
              <Item key={room.name} conversation={room} open={room === open} choose={choose} />
            ))}
          </ul>
          <button type="button" className="sidebar-add" onClick={() => show("go")}>
            <Icon name="plus" size={16} />
            <span>Join or create a room</span>
          </button>
        </section>
        {directs.length > 0 && (
          <section>
            <h2 id="directs">Direct messages</h2>
            <ul aria-labelledby="directs">
              {directs.map((direct) => (
                <Item key={direct.name} conversation={direct} open={direct === open} choose={choose} />
              ))}
            </ul>
          </section>
        )}
      </nav>
      <Me />
    </div>
  );
}

/** What stands before a letter for a shortcut on this machine. */
const modifier = /mac|iphone|ipad/i.test(navigator.platform) ? "⌘" : "Ctrl ";

function Item({ conversation, open, choose }: { conversation: Conversation; open: boolean; choose: (name: string) => void }): ReactElement {
  useModel(conversation);
  const { name, direct, unread, calls } = conversation;
  const failed = conversation.sending.some((each) => each.state === "failed");
  const loud = calls > 0 || (direct && unread > 0);
  const number = loud && !direct ? calls : unread;
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (open) button.current?.scrollIntoView?.({ block: "nearest" });
  }, [open]);
  return (
    <li>
      <button
        ref={button}
        type="button"
        className={`place ${open ? "place-open" : ""} ${unread > 0 ? "place-unread" : ""}`}
        aria-current={open ? "page" : undefined}
        onClick={() => choose(name)}
      >
        {direct ? (
          <Monogram name={name.slice(1)} small />
        ) : (
          <span className="place-hash" aria-hidden="true">
            #
          </span>
        )}
        <span className="place-name">{direct ? name.slice(1) : name}</span>
        {failed && (
          <span className="place-failed" title="A message was not sent">
            <Icon name="warning" size={14} />
            <span className="unseen">, a message was not sent</span>
          </span>
        )}
        {unread > 0 && (
          <span className={`badge ${loud ? "badge-loud" : ""}`}>
            <span aria-hidden="true">{number > 99 ? "99+" : number}</span>
            <span className="unseen">
              , {unread > 99 ? "more than 99" : unread} unread{calls > 0 ? `, ${calls} for you` : ""}
            </span>
          </span>
        )}
      </button>
    </li>
  );
}

const STANDING = {
  idle: "Not connected",
  connecting: "Connecting",
  online: "Connected",
  offline: "Reconnecting",
  closing: "Closing",
  ended: "Not connected",
} as const;

function Me(): ReactElement {
  const { session, show } = usePage();
  const phase = session.state?.phase ?? "idle";
  return (
    <footer className="me">
      <Monogram name={session.name} />
      <span className="me-who">
        <strong>{session.name}</strong>
        <span className={`me-state me-${phase}`}>
          <span className="dot" aria-hidden="true" />
          {STANDING[phase]}
        </span>
      </span>
      <button type="button" className="button-icon" aria-label="Keyboard shortcuts" title="Keyboard shortcuts" onClick={() => show("keys")}>
        <Icon name="keyboard" />
      </button>
      <button type="button" className="button-icon" aria-label="Settings" title="Settings" onClick={() => show("settings")}>
        <Icon name="settings" />
      </button>
    </footer>
  );
}
