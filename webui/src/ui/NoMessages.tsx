/**
 * What stands where no messages are: before the first of them, and in their place while there are none.
 *
 * Law of this file: each says why there is nothing, and what one can do about it.
 */

import type { ReactElement } from "react";
import type { Conversation } from "../model/conversation";
import { sendCommand } from "./command";
import { useAttend } from "./end";
import { useModel, usePage } from "./hooks";
import { sentence } from "./Standing";

/** Where nothing was said yet. */
export function Empty({ conversation }: { conversation: Conversation }): ReactElement {
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
            <code>{sendCommand(conversation.name, '"hello"')}</code>
          </pre>
        )}
      </div>
    </div>
  );
}

/** A room that one could not join. */
export function Shut({ conversation }: { conversation: Conversation }): ReactElement {
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

/** While it is not known yet what was said. */
export function Loading({ what }: { what: string }): ReactElement {
  return (
    <div className="messages messages-waiting" role="status" aria-label={`Loading ${what}`}>
      <Skeleton rows={6} />
    </div>
  );
}

/** Above what is loaded: more is loading, or why it is not. */
export function Older({ conversation }: { conversation: Conversation }): ReactElement | null {
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

/** Above the very first message that there is. */
export function Beginning({ conversation }: { conversation: Conversation }): ReactElement {
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
