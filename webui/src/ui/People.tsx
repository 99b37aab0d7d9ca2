/**
 * Who is here.
 *
 * Law of this file: what the server tells, and nothing made up while it tells nothing.
 */

import { type ReactElement, useMemo } from "react";
import type { Conversation } from "../model/conversation";
import { useModel, usePage } from "./hooks";
import { Monogram } from "./names";

/** Names that are listed: more are a number. */
const LISTED = 200;

export function People({ conversation, onChoose }: { conversation: Conversation; onChoose?: () => void }): ReactElement {
  const { session } = usePage();
  useModel(conversation);
  const { people } = conversation;
  const names = useMemo(
    () => [...(people ?? [])].sort((one, other) => one.localeCompare(other, undefined, { sensitivity: "base", numeric: true })),
    [people],
  );
  if (people === null) {
    const when = conversation.ended === null ? "there is a connection" : `you are in ${conversation.name}`;
    return <p className="people-note">Who is here shows when {when}.</p>;
  }
  const more = names.length - LISTED + conversation.peopleCut;
  return (
    <>
      <ul className="people" aria-label={`Who is in ${conversation.name}`}>
        {names.slice(0, LISTED).map((name) => (
          <li key={name}>
            {name === session.name ? (
              <span className="person">
                <Monogram name={name} small />
                <span className="place-name">{name}</span>
                <span className="row-you">you</span>
              </span>
            ) : (
              <button
                type="button"
                className="person"
                aria-label={`Write to ${name}`}
                title={`Write to ${name} alone`}
                onClick={() => {
                  session.enter(`@${name}`);
                  onChoose?.();
                }}
              >
                <Monogram name={name} small />
                <span className="place-name">{name}</span>
              </button>
            )}
          </li>
        ))}
      </ul>
      {more > 0 && <p className="people-note">and {more.toLocaleString()} more</p>}
    </>
  );
}

/** How many are here, in words; null while it is not known. */
export function headcount(conversation: Conversation): string | null {
  if (conversation.people === null) return null;
  const count = conversation.people.size + conversation.peopleCut;
  return count === 1 ? "1 here" : `${count.toLocaleString()} here`;
}
