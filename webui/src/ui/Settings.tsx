/**
 * What one can choose: a name, the theme, notifications; and the keys that there are.
 *
 * Law of this file: a choice acts at once; only the name is confirmed, because it connects anew.
 */

import { type ReactElement, type ReactNode, useState } from "react";
import { COMMAND_LIST } from "../model/commands";
import { isName, NAME_RULE } from "../model/grammar";
import type { Notify, Theme } from "../model/preferences";
import { Dialog } from "./Dialog";
import { useModel, usePage } from "./hooks";

export function Settings({ onClose }: { onClose: () => void }): ReactElement {
  const { session, preferences } = usePage();
  useModel(preferences);
  const [refused, setRefused] = useState(false);

  const choose = (notify: Notify): void => {
    setRefused(false);
    if (notify === "nothing" || Notification.permission === "granted") {
      preferences.set({ notify });
      return;
    }
    void Notification.requestPermission().then((permission) => {
      if (permission === "granted") preferences.set({ notify });
      else setRefused(true);
    });
  };

  return (
    <Dialog title="Settings" onClose={onClose}>
      <Name
        onDone={(name) => {
          if (name !== session.profile.name || session.state?.phase === "ended") session.start(name);
          onClose();
        }}
      />
      <Choice<Theme>
        legend="Theme"
        value={preferences.theme}
        onChoose={(theme) => preferences.set({ theme })}
        options={[
          ["system", "As the system"],
          ["light", "Light"],
          ["dark", "Dark"],
        ]}
      />
      {typeof Notification === "undefined" || !window.isSecureContext ? (
        <Group legend="Notifications">
          <p className="faint">Browsers show notifications of pages that come by HTTPS, or from this machine (localhost).</p>
        </Group>
      ) : (
        <Choice<Notify>
          legend="Notify me, when I am not looking, of"
          value={preferences.notify}
          onChoose={choose}
          options={[
            ["nothing", "Nothing"],
            ["calls", "Mentions and direct messages"],
            ["everything", "Every message"],
          ]}
        >
          {refused && (
            <p className="bad" role="alert">
              The browser does not allow it. Its settings for this page do.
            </p>
          )}
        </Choice>
      )}
    </Dialog>
  );
}

function Name({ onDone }: { onDone: (name: string) => void }): ReactElement {
  const { session } = usePage();
  const [name, setName] = useState(session.profile.name ?? "");
  const right = isName(name);
  return (
    <form
      className="group"
      onSubmit={(event) => {
        event.preventDefault();
        if (right) onDone(name);
      }}
    >
      <label className="group-legend" htmlFor="settings-name">
        Your name
      </label>
      <div className="field-row">
        <input id="settings-name" className="field" value={name} maxLength={24} autoComplete="nickname" autoCapitalize="none" spellCheck={false} aria-invalid={!right} aria-describedby="settings-name-rule" onChange={(event) => setName(event.target.value.trim())} />
        <button type="submit" className="button" disabled={!right || name === session.profile.name}>
          Change
        </button>
      </div>
      <p id="settings-name-rule" className={right ? "faint" : "bad"}>
        {right ? "A name that is taken is numbered. Nobody owns one: others may have it when you are gone." : NAME_RULE}
      </p>
    </form>
  );
}

function Group({ legend, children }: { legend: string; children: ReactNode }): ReactElement {
  return (
    <fieldset className="group">
      <legend className="group-legend">{legend}</legend>
      {children}
    </fieldset>
  );
}

function Choice<T extends string>({ legend, value, onChoose, options, children }: { legend: string; value: T; onChoose: (value: T) => void; options: readonly (readonly [T, string])[]; children?: ReactNode }): ReactElement {
  return (
    <Group legend={legend}>
      <div className="choice">
        {options.map(([option, text]) => (
          <label key={option} className={option === value ? "choice-on" : ""}>
            <input type="radio" name={legend} value={option} checked={option === value} onChange={() => onChoose(option)} />
            <span>{text}</span>
          </label>
        ))}
      </div>
      {children}
    </Group>
  );
}

const KEYS: readonly (readonly [readonly string[], string])[] = [
  [["Ctrl", "K"], "Go to a room or person"],
  [["Alt", "↑"], "The conversation above"],
  [["Alt", "↓"], "The conversation below"],
  [["Alt", "Shift", "↓"], "The next one with something unread"],
  [["↑"], "From an empty text to the messages; then up"],
  [["↓"], "Down; below the last one, back to the text"],
  [["Tab"], "In a message: to what can be done with it"],
  [["Esc"], "To the newest message, and all is read"],
  [["Enter"], "Send"],
  [["Shift", "Enter"], "A new line"],
  [["Ctrl", "/"], "This list"],
];

export function Keys({ onClose }: { onClose: () => void }): ReactElement {
  return <List title="Keyboard" rows={KEYS} onClose={onClose} />;
}

/** What `/help` shows. */
export function Commands({ onClose }: { onClose: () => void }): ReactElement {
  return <List title="Commands" rows={COMMAND_LIST.map(([usage, text]) => [[usage], text])} onClose={onClose} />;
}

function List({ title, rows, onClose }: { title: string; rows: typeof KEYS; onClose: () => void }): ReactElement {
  return (
    <Dialog title={title} onClose={onClose}>
      <dl className="keys">
        {rows.map(([keys, text]) => (
          <div key={text}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
