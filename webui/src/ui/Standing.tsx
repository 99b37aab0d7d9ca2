/**
 * How it stands with the connection, where that is not as it should be.
 *
 * Law of this file: each says what is the matter, what becomes of what one writes, and what one can do; and says
 * nothing while all is well.
 */

import type { ClientError, Refused, State } from "tcpmsg";
import { type ReactElement, type ReactNode, useEffect, useState } from "react";
import type { Conversation } from "../model/conversation";
import { useCountdown, useModel, usePage } from "./hooks";
import { Icon, type IconName } from "./icons";

/** How long, in milliseconds, connecting may take before it is worth a word. */
const PATIENCE = 700;

/** How it stands: with the connection, and with what the browser keeps. What is written without a connection waits
 * where the browser keeps it, so both are to be known at once. */
export function Standing(): ReactElement {
  return (
    <>
      <Connection />
      <Keeping />
    </>
  );
}

function Connection(): ReactElement | null {
  const { session } = usePage();
  useModel(session);
  const state = session.state;
  const online = useOnline();
  if (state?.phase === "offline") return <Offline state={state} online={online} />;
  if (state?.phase === "connecting") return <Connecting again={session.wasWelcome} key={String(session.wasWelcome)} />;
  if (session.refusal !== null) {
    return (
      <Banner icon="warning" tone="bad">
        The server takes no messages for now ({session.refusal.message}). Yours are kept here and sent when it does.
      </Banner>
    );
  }
  return null;
}

function Keeping(): ReactElement | null {
  const { session } = usePage();
  useModel(session);
  if (session.profile.storeless) {
    return (
      <Banner icon="warning" tone="bad">
        This browser lets this page keep nothing: your name, rooms, drafts and what is not sent yet are gone when the page is closed or reloaded.
      </Banner>
    );
  }
  if (session.unkept.length > 0) {
    return (
      <Banner icon="warning" tone="bad">
        This browser keeps no more for this page: its storage is full, or closed to it. A reload would lose {listed(session.unkept)}; what was kept before stays.
      </Banner>
    );
  }
  return null;
}

/** What happened to the room that is open, where one is in it no longer. */
export function Outside({ conversation }: { conversation: Conversation }): ReactElement | null {
  const { session } = usePage();
  useModel(conversation);
  const { ended, name } = conversation;
  if (ended === null || session.state?.phase === "ended" || !conversation.settled) return null;
  return (
    <div className="banner banner-bad" role="alert">
      <Icon name="warning" size={18} />
      <span className="banner-text">
        <span>
          <strong>You are no longer in {name}</strong>, and what is said there is not shown. {sentence(ended)}
        </span>
        <button type="button" className="button" onClick={() => session.rejoin(conversation)}>
          Join again
        </button>
      </span>
    </div>
  );
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}

function Banner({ icon, tone, children }: { icon: IconName; tone: "plain" | "bad"; children: ReactNode }): ReactElement {
  return (
    <div className={`banner banner-${tone}`} role="status">
      <Icon name={icon} size={18} />
      <span className="banner-text">{children}</span>
    </div>
  );
}

function kept(pending: number): string {
  if (pending === 0) return "What you write is kept and sent then.";
  return pending === 1 ? "1 message waits and is sent then." : `${pending} messages wait and are sent then.`;
}

function Offline({ state, online }: { state: State & { phase: "offline" }; online: boolean }): ReactElement {
  const { session } = usePage();
  const seconds = useCountdown(state.retryAt);
  return (
    <Banner icon="offline" tone="plain">
      <span>
        <strong>{online ? "The server does not answer." : "This device is offline."}</strong>{" "}
        {online ? (seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again.") : "It goes on when the network is back."}{" "}
        {kept(session.outgoing.pending)}
      </span>
      <button type="button" className="button" onClick={() => session.nudge()}>
        Try now
      </button>
    </Banner>
  );
}

function Connecting({ again }: { again: boolean }): ReactElement | null {
  const { session } = usePage();
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), PATIENCE);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return null;
  return (
    <Banner icon="offline" tone="plain">
      <span>
        <strong>{again ? "Reconnecting…" : "Connecting…"}</strong> {session.conversations.open !== null && kept(session.outgoing.pending)}
      </span>
    </Banner>
  );
}

/** Whether the browser believes that there is a network. */
function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const change = (): void => setOnline(navigator.onLine);
    window.addEventListener("online", change);
    window.addEventListener("offline", change);
    return () => {
      window.removeEventListener("online", change);
      window.removeEventListener("offline", change);
    };
  }, []);
  return online;
}

/** What stands in place of everything when the client has ended for good. */
export function Ended({ reason }: { reason: ClientError | null }): ReactElement {
  const { session, show } = usePage();
  const superseded = reason?.code === "superseded";
  const name = reason?.code === "bad-name";
  return (
    <div className="ended" role="alert">
      <div className="state">
        <span className="state-icon">
          <Icon name={superseded ? "people" : "warning"} size={28} />
        </span>
        <h2>{superseded ? "This chat goes on elsewhere" : "The server does not let this page in"}</h2>
        <p>
          {superseded
            ? "Another tab or window has taken over as you. Nothing is lost: what you wrote is kept and sent there, or here when you come back."
            : `${sentence(reason)} What you wrote is kept in this browser.`}
        </p>
        <div className="state-acts">
          {name ? (
            <button type="button" className="button button-main" onClick={() => show("settings")}>
              Choose another name
            </button>
          ) : (
            <button type="button" className="button button-main" onClick={() => session.start(session.profile.name ?? session.name)}>
              {superseded ? "Go on here" : "Try again"}
            </button>
          )}
          {!superseded && !name && (
            <button type="button" className="button" onClick={() => location.reload()}>
              Reload the page
            </button>
          )}
        </div>
      </div>
    </div>
  );
}

/** Return a reason as a sentence. */
export function sentence(reason: ClientError | null): string {
  if (reason === null) return "The connection was closed.";
  const words = "reason" in reason ? (reason as Refused).reason : reason.message;
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
