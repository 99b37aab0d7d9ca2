/**
 * Going to a room or a person, by a few letters of the name; a room that is not there yet is made by going there.
 *
 * Law of this file: a list that the keyboard moves in while the letters are typed (the ARIA pattern *combobox*).
 */

import type { ClientError, RoomInfo } from "tcpmsg";
import { type KeyboardEvent, type ReactElement, useEffect, useId, useState } from "react";
import { isName, isRoom, NAME_RULE, ROOM_RULE } from "../model/grammar";
import { Dialog } from "./Dialog";
import { usePage } from "./hooks";
import { Icon } from "./icons";
import { Monogram } from "./names";

/** What is listed at once. */
const LISTED = 40;

interface Choice {
  readonly place: string;
  readonly note: string;
  readonly make?: boolean;
}

export function GoTo({ onClose }: { onClose: () => void }): ReactElement {
  const { session } = usePage();
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const [rooms, setRooms] = useState<readonly RoomInfo[] | null>(null);
  const [error, setError] = useState<ClientError | null>(null);
  const options = useId();

  useEffect(() => {
    let wanted = true;
    if (session.state?.phase !== "online") return;
    session.listRooms().then(
      ({ items }) => wanted && setRooms(items),
      (reason: unknown) => wanted && setError(reason as ClientError),
    );
    return () => {
      wanted = false;
    };
  }, [session]);

  const choices = list(text.trim().replace(/^#/, ""), session, rooms ?? []);
  const go = (choice: Choice | undefined): void => {
    if (choice === undefined) return;
    session.enter(choice.place);
    onClose();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && choices.length > 0) {
      const next = (chosen + step + choices.length) % choices.length;
      setChosen(next);
      document.getElementById(`${options}-${next}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      go(choices[chosen]);
    } else {
      return;
    }
    event.preventDefault();
  };
  const wrong = text.trim() !== "" && choices.length === 0;

  return (
    <Dialog title="Go to a room or person" onClose={onClose} shape="top" hideTitle>
      <div className="go">
        <div className="go-field">
          <Icon name="search" size={18} />
          <input
            type="text"
            role="combobox"
            aria-label="Name of a room, or @ and the name of a person"
            aria-expanded={choices.length > 0}
            aria-controls={options}
            aria-activedescendant={choices.length > 0 ? `${options}-${chosen}` : undefined}
            aria-autocomplete="list"
            placeholder="A room, or @somebody"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            // it is the first thing in a dialog that somebody has just asked for
            // eslint-disable-next-line jsx-a11y/no-autofocus
            autoFocus
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              setChosen(0);
            }}
            onKeyDown={onKeyDown}
          />
          <button type="button" className="button-icon" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
        <ul className="go-list" role="listbox" id={options} aria-label="Rooms and people">
          {choices.map((choice, index) => (
            // the keyboard chooses from the field, by aria-activedescendant
            // eslint-disable-next-line jsx-a11y/click-events-have-key-events
            <li key={choice.place} id={`${options}-${index}`} role="option" aria-selected={index === chosen} onMouseMove={() => setChosen(index)} onClick={() => go(choice)}>
              {choice.place.startsWith("@") ? (
                <Monogram name={choice.place.slice(1)} small />
              ) : (
                <span className="place-hash" aria-hidden="true">
                  {choice.make ? "+" : "#"}
                </span>
              )}
              <span className="place-name">{choice.make ? `Create ${choice.place}` : choice.place.replace(/^@/, "")}</span>
              <span className="faint">{choice.note}</span>
            </li>
          ))}
        </ul>
        {wrong && (
          <p className="go-note bad" role="alert">
            {text.trim().startsWith("@") ? NAME_RULE : ROOM_RULE}
          </p>
        )}
        {error !== null && <p className="go-note bad">The server’s rooms could not be listed: {error.message}</p>}
        {rooms === null && error === null && session.state?.phase !== "online" && <p className="go-note faint">Not connected: only what is in your list is shown.</p>}
      </div>
    </Dialog>
  );
}

function list(text: string, session: ReturnType<typeof usePage>["session"], rooms: readonly RoomInfo[]): Choice[] {
  const found = new Map<string, Choice>();
  const add = (place: string, note: string): void => {
    if (!found.has(place)) found.set(place, { place, note });
  };
  for (const { name, unread } of session.conversations.rooms) add(name, unread > 0 ? `${unread > 99 ? "99+" : unread} unread` : "joined");
  for (const { name } of session.conversations.directs) add(name, "direct");
  for (const { room, members } of [...rooms].sort((one, other) => other.members - one.members || one.room.localeCompare(other.room))) {
    if (isRoom(room)) add(room, members === 1 ? "1 here" : `${members} here`);
  }
  for (const name of session.conversations.open?.people ?? []) {
    if (name !== session.name) add(`@${name}`, "here now");
  }
  const wanted = text.toLowerCase();
  const fitting = [...found.values()].filter(({ place }) => place.toLowerCase().includes(wanted));
  fitting.sort((one, other) => rank(one.place, wanted) - rank(other.place, wanted));
  const choices = fitting.slice(0, LISTED);
  if (text.startsWith("@")) {
    if (isName(text.slice(1)) && !found.has(text)) choices.push({ place: text, note: "direct message" });
  } else if (isRoom(text) && !found.has(text)) {
    choices.push({ place: text, note: "new room", make: true });
  }
  return choices;
}

/** Names that are the text come first, then those that begin with it. */
function rank(place: string, wanted: string): number {
  const name = place.toLowerCase().replace(/^@/, "");
  const text = wanted.replace(/^@/, "");
  if (text === "" || !name.startsWith(text)) return 2;
  return name === text ? 0 : 1;
}
