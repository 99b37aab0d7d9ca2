/**
 * Where one writes.
 *
 * Law of this file: a key changes this component and nothing else, so that typing never waits; what is written
 * survives going elsewhere, and a reload.
 */

import { type KeyboardEvent, type ReactElement, type RefObject, useEffect, useId, useImperativeHandle, useLayoutEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { interpret } from "../model/commands";
import type { Conversation } from "../model/conversation";
import { isName } from "../model/grammar";
import { useMedia, usePage } from "./hooks";
import { Icon } from "./icons";
import { Monogram } from "./names";

/** Names that are offered at once. */
const OFFERED = 6;

/** Messages looked at for who may be meant, besides those who are here. */
const RECENT = 200;

export interface ComposerHandle {
  focus(): void;
  /** Put text at the cursor. */
  insert(text: string): void;
  /** Put a text that was here before back, below what stands here now. */
  restore(text: string): void;
}

interface Props {
  readonly conversation: Conversation;
  readonly handle: RefObject<ComposerHandle | null>;
  readonly onUp: () => void;
  readonly onEscape: () => void;
}

interface Mention {
  readonly from: number;
  readonly begun: string;
}

export function Composer({ conversation, handle, onUp, onEscape }: Props): ReactElement {
  const { session, show } = usePage();
  /** Why the line that stands here was not sent. */
  const [problem, setProblem] = useState<string | null>(null);
  const [text, setText] = useState(session.profile.drafts.get(conversation.name) ?? "");
  const [mention, setMention] = useState<Mention | null>(null);
  const [chosen, setChosen] = useState(0);
  /** How often what was said, or who is here, has changed while nobody could be offered. */
  const [changes, setChanges] = useState(0);
  const area = useRef<HTMLTextAreaElement>(null);
  const touch = useMedia("(pointer: coarse)");
  const [focused, setFocused] = useState(false);
  const help = useId();
  const options = useId();

  const offered = useMemo(
    () => (mention === null ? [] : offer(conversation, mention.begun, session.name)),
    [mention, conversation, session.name, changes], // eslint-disable-line react-hooks/exhaustive-deps
  );
  // Who comes while nobody is offered is offered then: one may have written before it was known who is here. Names that
  // are offered stay as they are, for the next key takes one.
  useEffect(() => {
    if (mention !== null && offered.length === 0) return conversation.subscribe(() => setChanges((before) => before + 1));
  }, [mention, offered, conversation]);
  const most = session.maxPayload;
  const bytes = text.length * 3 > most ? new TextEncoder().encode(text).length : 0;
  const tooLong = bytes > most;
  const blank = text.trim() === "";
  const place = conversation.direct ? conversation.name.slice(1) : conversation.name;

  useEffect(() => session.profile.keepDraft(conversation.name, text), [session, conversation, text]);

  useLayoutEffect(() => {
    const element = area.current;
    if (element === null || CSS.supports?.("field-sizing", "content")) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [text]);

  const insert = (words: string): void => {
    const element = area.current;
    const from = element?.selectionStart ?? text.length;
    const to = element?.selectionEnd ?? from;
    put(text.slice(0, from) + words + text.slice(to), from + words.length);
  };

  const put = (news: string, cursor: number): void => {
    // at once: what is typed next goes behind it
    flushSync(() => {
      setText(news);
      setProblem(null);
      setMention(null);
    });
    area.current?.focus();
    area.current?.setSelectionRange(cursor, cursor);
  };

  const restore = (words: string): void => {
    const news = blank ? words : `${text.trimEnd()}\n${words}`;
    put(news, news.length);
  };

  useImperativeHandle(handle, () => ({ focus: () => area.current?.focus(), insert, restore }));

  const send = (): void => {
    if (blank || tooLong) return;
    const outcome = interpret(session, conversation, text.trimEnd());
    if (outcome.kind === "wrong") {
      setProblem(outcome.reason);
      return;
    }
    if (outcome.kind === "message") session.outgoing.say(conversation.name, outcome.text);
    if (outcome.kind === "help") show("commands");
    session.profile.keepDraft(conversation.name, ""); // a command may have gone to another conversation by now
    setText("");
    setMention(null);
    area.current?.focus();
  };

  const choose = (name: string): void => {
    if (mention === null) return;
    const end = mention.from + 1 + mention.begun.length;
    const rest = text.slice(end);
    put(`${text.slice(0, mention.from)}@${name}${rest.startsWith(" ") ? "" : " "}${rest}`, mention.from + name.length + 2);
  };

  const look = (): void => {
    const element = area.current;
    if (element === null) return;
    const found = /(?:^|[\s(])@([A-Za-z0-9._-]{0,24})$/.exec(element.value.slice(Math.max(0, element.selectionStart - 40), element.selectionStart));
    const begun = found?.[1];
    if (begun === undefined || element.selectionStart !== element.selectionEnd) setMention(null);
    else setMention({ from: element.selectionStart - begun.length - 1, begun });
    setChosen(0);
  };

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.nativeEvent.isComposing) return;
    if (offered.length > 0) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step !== undefined) {
        setChosen((chosen + step + offered.length) % offered.length);
        event.preventDefault();
        return;
      }
      if (event.key === "Enter" || event.key === "Tab") {
        choose(offered[chosen] ?? "");
        event.preventDefault();
        return;
      }
      if (event.key === "Escape") {
        setMention(null);
        event.preventDefault();
        return;
      }
    }
    if (event.key === "Enter" && !event.shiftKey && !event.altKey && !touch) {
      const open = (text.slice(0, area.current?.selectionStart).split("```").length - 1) % 2 === 1;
      if (open && !event.ctrlKey && !event.metaKey) return; // a line of code
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && text === "") {
      event.preventDefault();
      onUp();
    } else if (event.key === "Escape") {
      onEscape();
    }
  };

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {offered.length > 0 && (
        <ul className="offer" role="listbox" id={options} aria-label="People to mention">
          {offered.map((name, index) => (
            // the keyboard chooses from the text area, by aria-activedescendant
            // eslint-disable-next-line jsx-a11y/click-events-have-key-events
            <li key={name} id={`${options}-${index}`} role="option" aria-selected={index === chosen} onMouseDown={(event) => event.preventDefault()} onClick={() => choose(name)}>
              <Monogram name={name} small />
              <span>{name}</span>
            </li>
          ))}
        </ul>
      )}
      <div className={`composer-box ${tooLong ? "composer-bad" : ""}`}>
        <textarea
          ref={area}
          value={text}
          rows={1}
          aria-label={`Message to ${place}`}
          aria-describedby={help}
          aria-autocomplete="list"
          aria-controls={offered.length > 0 ? options : undefined}
          aria-activedescendant={offered.length > 0 ? `${options}-${chosen}` : undefined}
          placeholder={`Message ${conversation.direct ? "" : "#"}${place}`}
          spellCheck
          autoComplete="off"
          enterKeyHint={touch ? "enter" : "send"}
          onChange={(event) => {
            setText(event.target.value);
            setProblem(null);
            look();
          }}
          onFocus={() => setFocused(true)}
          onBlur={() => {
            setFocused(false);
            setMention(null);
          }}
          onKeyDown={onKeyDown}
          onSelect={look}
        />
        <button type="submit" className="composer-send" aria-label="Send" disabled={blank || tooLong} onMouseDown={(event) => event.preventDefault()}>
          <Icon name="send" size={18} />
        </button>
      </div>
      <p className="composer-help" id={help} role={tooLong || problem !== null ? "alert" : undefined}>
        {problem !== null ? (
          <span className="bad">{problem}</span>
        ) : tooLong ? (
          <span className="bad">
            This is {bytes.toLocaleString()} bytes; the server takes {most.toLocaleString()} at most. Send it in parts.
          </span>
        ) : (
          !touch && focused && text !== "" && "Enter sends, Shift+Enter begins a new line, ``` begins and ends code"
        )}
      </p>
    </form>
  );
}

/** Return whom somebody may mean: who is here, and who spoke lately. */
function offer(conversation: Conversation, begun: string, me: string): string[] {
  const names = new Set<string>();
  for (const entry of conversation.entries.slice(-RECENT).reverse()) {
    if (entry.kind === "said") names.add(entry.sender);
  }
  for (const name of conversation.people ?? []) names.add(name);
  if (conversation.direct) names.add(conversation.name.slice(1));
  const wanted = begun.toLowerCase();
  const found: string[] = [];
  for (const name of names) {
    if (name !== me && name !== begun && isName(name) && name.toLowerCase().startsWith(wanted)) found.push(name);
    if (found.length === OFFERED) break;
  }
  return found;
}
