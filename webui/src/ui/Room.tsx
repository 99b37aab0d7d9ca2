/**
 * The conversation that is open: its head, its messages, and where one writes.
 *
 * Law of this file: it joins its parts, and passes the keyboard between them.
 */

import { type ReactElement, type RefObject, useEffect, useRef } from "react";
import type { Conversation } from "../model/conversation";
import { Composer, type ComposerHandle } from "./Composer";
import { useMedia, useModel, usePage } from "./hooks";
import { Icon } from "./icons";
import { type ListHandle, MessageList } from "./MessageList";
import { headcount } from "./People";
import { Outside, Standing } from "./Standing";

interface Props {
  readonly conversation: Conversation;
  readonly composer: RefObject<ComposerHandle | null>;
  readonly elsewhere: number;
}

export function Room({ conversation, composer, elsewhere }: Props): ReactElement {
  const list = useRef<ListHandle>(null);
  const touch = useMedia("(pointer: coarse)");

  useEffect(() => {
    if (!touch && document.querySelector("dialog[open]") === null) composer.current?.focus();
  }, [conversation, composer, touch]);

  const rest = (): void => {
    list.current?.toEnd();
    conversation.markRead();
    conversation.clearDivider();
    composer.current?.focus();
  };

  return (
    <main className="room" aria-label={conversation.name}>
      <Head conversation={conversation} elsewhere={elsewhere} />
      <Standing />
      <Outside conversation={conversation} />
      <MessageList key={conversation.name} conversation={conversation} handle={list} onLeave={() => composer.current?.focus()} />
      <Composer key={`to ${conversation.name}`} conversation={conversation} handle={composer} onUp={() => list.current?.focusLast()} onEscape={rest} />
    </main>
  );
}

function Head({ conversation, elsewhere }: { conversation: Conversation; elsewhere: number }): ReactElement {
  const { session, preferences, show } = usePage();
  useModel(conversation);
  useModel(preferences);
  const wide = useMedia("(min-width: 1080px)");
  const { name, direct } = conversation;
  const here = headcount(conversation);
  return (
    <header className="room-head">
      <MenuButton elsewhere={elsewhere} />
      <h1>
        <span className="room-hash" aria-hidden="true">
          {direct ? "@" : "#"}
        </span>
        {direct ? name.slice(1) : name}
      </h1>
      <span className="room-note faint">{direct ? "only the two of you" : ""}</span>
      {!direct && (
        <button
          type="button"
          className="button-quiet"
          aria-label={here === null ? "Who is here" : `Who is here: ${here}`}
          aria-pressed={wide ? preferences.people : undefined}
          onClick={() => (wide ? preferences.set({ people: !preferences.people }) : show("people"))}
        >
          <Icon name="people" size={18} />
          {here !== null && <span>{here}</span>}
        </button>
      )}
      <button type="button" className="button-icon" aria-label={direct ? "Close this conversation" : `Leave ${name}`} title={direct ? "Close this conversation" : `Leave ${name}`} onClick={() => session.leave(name)}>
        <Icon name={direct ? "close" : "leave"} size={18} />
      </button>
    </header>
  );
}

/** What stands above where no room is open: on a phone, the way to the others. */
export function EmptyHead({ elsewhere }: { elsewhere: number }): ReactElement {
  return (
    <header className="room-head only-narrow">
      <MenuButton elsewhere={elsewhere} />
    </header>
  );
}

function MenuButton({ elsewhere }: { elsewhere: number }): ReactElement {
  const { show } = usePage();
  return (
    <button type="button" className="button-icon only-narrow" aria-label={elsewhere > 0 ? `Conversations, ${elsewhere} unread` : "Conversations"} onClick={() => show("rooms")}>
      <Icon name="menu" />
      {elsewhere > 0 && <span className="menu-dot" aria-hidden="true" />}
    </button>
  );
}
