/**
 * The first thing somebody sees: what this is, and one question.
 *
 * Law of this file: one field, one button, and the rule if it is broken.
 */

import { type ReactElement, useState } from "react";
import { isName, NAME_RULE } from "../model/grammar";

interface Props {
  /** A name that stands there already. */
  readonly suggested: string;
  /** Whether another window of this browser is somebody already. */
  readonly second: boolean;
  readonly onName: (name: string) => void;
}

export function Welcome({ suggested, second, onName }: Props): ReactElement {
  const [name, setName] = useState(suggested);
  const [tried, setTried] = useState(false);
  const right = isName(name);
  const wrong = (tried || /[^A-Za-z0-9._-]/.test(name)) && !right;
  return (
    <main className="welcome">
      <form
        className="welcome-card"
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (right) onName(name);
        }}
      >
        <img src="/icon.svg" alt="" width={48} height={48} />
        <h1>Join the conversation</h1>
        <p className="faint">
          People, scripts and terminals talk in the rooms of <strong>{location.host}</strong>.
        </p>
        <label htmlFor="name">What shall others call you?</label>
        <input
          id="name"
          className="field field-large"
          value={name}
          maxLength={24}
          autoComplete="nickname"
          autoCapitalize="none"
          spellCheck={false}
          aria-invalid={wrong}
          aria-describedby="name-rule"
          // the page asks this one question
          // eslint-disable-next-line jsx-a11y/no-autofocus
          autoFocus
          placeholder="alice"
          onChange={(event) => setName(event.target.value.trim())}
        />
        <p id="name-rule" className={wrong ? "bad" : "faint"} role={wrong ? "alert" : undefined}>
          {wrong ? NAME_RULE : second ? "Another window of this browser is open: choose another name to be two." : "Kept in this browser. No account, no password."}
        </p>
        <button type="submit" className="button button-main button-large">
          Join
        </button>
      </form>
    </main>
  );
}
