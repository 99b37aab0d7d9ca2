/**
 * The whole page: who one is, where one is, and what is open on top.
 *
 * Law of this file: the address holds where one is (`#lobby`, `#@bob`), so that it can be kept, sent to others, and
 * left by the browser's own buttons.
 */

import { type ReactElement, type RefObject, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Identity } from "../model/identity";
import type { Preferences } from "../model/preferences";
import type { Session } from "../model/session";
import { sendCommand } from "./command";
import type { ComposerHandle } from "./Composer";
import { Dialog } from "./Dialog";
import { GoTo } from "./GoTo";
import { type Dialogue, PageContext, useMedia, useModel, usePage } from "./hooks";
import { Icon } from "./icons";
import { People } from "./People";
import { EmptyHead, Room } from "./Room";
import { Commands, Keys, Settings } from "./Settings";
import { Sidebar } from "./Sidebar";
import { Loading } from "./NoMessages";
import { Ended, Standing } from "./Standing";
import { Welcome } from "./Welcome";

interface Props {
  readonly session: Session;
  readonly preferences: Preferences;
  readonly identity: Pick<Identity, "second">;
  /** A name that may be wanted. */
  readonly suggested: string;
}

export function App({ session, preferences, identity, suggested }: Props): ReactElement {
  useModel(session);
  useModel(preferences);
  useTheme(preferences.theme);
  const [dialog, show] = useState<Dialogue | null>(null);
  const composer = useRef<ComposerHandle>(null);
  const write = useCallback((text: string) => composer.current?.insert(text), []);
  const restore = useCallback((text: string) => composer.current?.restore(text), []);
  const page = useMemo(() => ({ session, preferences, show, write, restore }), [session, preferences, write, restore]);

  if (session.state === null) {
    return (
      <Welcome
        suggested={suggested}
        second={identity.second}
        onName={(name) => {
          enterFirst(session);
          session.start(name);
        }}
      />
    );
  }
  return (
    <PageContext.Provider value={page}>
      <Shell dialog={dialog} composer={composer} />
    </PageContext.Provider>
  );
}

/** Go where the address says, or where one was. */
export function enterFirst(session: Session): void {
  const wanted = placeInAddress();
  if (wanted !== null && session.enter(wanted)) return;
  session.enterFirst();
}

function placeInAddress(): string | null {
  try {
    return location.hash.length > 1 ? decodeURIComponent(location.hash.slice(1)) : null;
  } catch {
    return null;
  }
}

function Shell({ dialog, composer }: { dialog: Dialogue | null; composer: RefObject<ComposerHandle | null> }): ReactElement {
  const page = usePage();
  const { session, preferences, show } = page;
  const wide = useMedia("(min-width: 1080px)");
  const narrow = useMedia("(max-width: 719px)");
  const { rooms, directs, open } = session.conversations;
  const close = useCallback(() => show(null), [show]);
  const conversations = [...rooms, ...directs];
  const unread = conversations.reduce((sum, each) => sum + (each.direct ? each.unread : each.calls), 0);
  const elsewhere = conversations.reduce((sum, each) => sum + (each === open ? 0 : each.unread), 0);

  useAddress(session);
  useShortcuts(session, show);
  useDroppedFiles(session);
  useTitle(open?.name ?? null, unread, elsewhere);

  const state = session.state;
  const ended = state?.phase === "ended";
  return (
    <div className="shell">
      <a
        className="skip"
        href="#composer"
        onClick={(event) => {
          event.preventDefault();
          composer.current?.focus();
        }}
      >
        To the text field
      </a>
      {!narrow && <Sidebar />}
      {ended ? (
        <main className="room">
          <EmptyHead elsewhere={elsewhere} />
          <Ended reason={state.reason} />
        </main>
      ) : open === null && session.homeless ? (
        <main className="room">
          <EmptyHead elsewhere={elsewhere} />
          <Standing />
          <Loading what="the first room" />
        </main>
      ) : open === null ? (
        <main className="room">
          <EmptyHead elsewhere={elsewhere} />
          <Standing />
          <div className="messages messages-empty">
            <div className="state">
              <h2>No conversation is open</h2>
              <p>Join a room, or write to somebody.</p>
              <div className="state-acts">
                <button type="button" className="button button-main" onClick={() => show("go")}>
                  Join or create a room
                </button>
              </div>
            </div>
          </div>
        </main>
      ) : (
        <Room conversation={open} composer={composer} elsewhere={elsewhere} />
      )}
      {wide && preferences.people && open !== null && !open.direct && !ended && (
        <aside className="aside" aria-label="Who is here">
          <h2>Here now</h2>
          <People conversation={open} />
        </aside>
      )}
      {dialog === "go" && <GoTo onClose={close} />}
      {dialog === "settings" && <Settings onClose={close} />}
      {dialog === "keys" && <Keys onClose={close} />}
      {dialog === "commands" && <Commands onClose={close} />}
      {dialog === "rooms" && narrow && (
        <Dialog title="Conversations" shape="left" onClose={close} hideTitle>
          <Sidebar onChoose={close} />
        </Dialog>
      )}
      {dialog === "people" && open !== null && !wide && (
        <Dialog title="Here now" shape="right" onClose={close}>
          <People conversation={open} onChoose={close} />
        </Dialog>
      )}
      <Said />
    </div>
  );
}

/** What is said beside the conversations. */
function Said(): ReactElement {
  const { session } = usePage();
  const notices = useModel(session.notices);
  return (
    <>
      <div className="notices">
        {notices.notices.map(({ key, text, tone }) => (
          <div key={key} className={`notice notice-${tone}`}>
            <span>{text}</span>
            <button type="button" className="button-icon" aria-label="Dismiss" onClick={() => notices.dismiss(key)}>
              <Icon name="close" size={16} />
            </button>
          </div>
        ))}
      </div>
      <div className="unseen" role="status" aria-live="polite" data-spoken="">
        {notices.spoken}
      </div>
    </>
  );
}

function useTheme(theme: Preferences["theme"]): void {
  useEffect(() => {
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  }, [theme]);
}

/** Keep the address and the conversation that is open the same. */
function useAddress(session: Session): void {
  const open = session.conversations.open?.name ?? null;
  const before = useRef<string | null>(null);
  useEffect(() => {
    const wanted = open === null ? "" : `#${open}`;
    if (location.hash !== wanted) {
      const address = `${location.pathname}${location.search}${wanted}`;
      if (before.current === null) history.replaceState(null, "", address);
      else history.pushState(null, "", address);
    }
    before.current = open;
  }, [open]);
  useEffect(() => {
    const change = (): void => {
      const wanted = placeInAddress();
      if (wanted !== null && !session.enter(wanted)) session.notices.show("That address names no room.", "bad");
    };
    window.addEventListener("popstate", change);
    return () => window.removeEventListener("popstate", change);
  }, [session]);
}

function useTitle(open: string | null, calls: number, unread: number): void {
  useEffect(() => {
    const count = calls > 0 ? `(${calls > 99 ? "99+" : calls}) ` : unread > 0 ? "• " : "";
    document.title = `${count}${open === null ? "" : `${open} – `}tcpmsg`;
  }, [open, calls, unread]);
}

function useShortcuts(session: Session, show: (dialog: Dialogue | null) => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const control = event.ctrlKey || event.metaKey;
      const modal = document.querySelector("dialog[open]") !== null;
      if (control && !event.altKey && event.key.toLowerCase() === "k") {
        show("go");
      } else if (control && event.key === "/") {
        show("keys");
      } else if (event.altKey && !control && !modal && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
        move(session, event.key === "ArrowDown" ? 1 : -1, event.shiftKey);
      } else {
        return;
      }
      event.preventDefault();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [session, show]);
}

/** Keep a file that is dropped from taking the browser to itself, and say how to send it. Text may be dropped where one writes. */
function useDroppedFiles(session: Session): void {
  useEffect(() => {
    const stop = (event: DragEvent): void => {
      const files = event.dataTransfer?.types.includes("Files") === true;
      const field = event.target instanceof Element && event.target.closest("textarea, input") !== null;
      if (field && !files) return;
      event.preventDefault();
      if (event.type !== "drop" || !files) return;
      const place = session.conversations.open?.name ?? "ROOM";
      const command = sendCommand(place, "--whole");
      session.notices.show(`This page does not send files yet. In a terminal: ${command} < FILE`, "bad");
    };
    for (const event of ["dragover", "drop"] as const) window.addEventListener(event, stop);
    return () => {
      for (const event of ["dragover", "drop"] as const) window.removeEventListener(event, stop);
    };
  }, [session]);
}

/** Go to the next conversation of the list, or the next with something unread. */
function move(session: Session, step: number, unread: boolean): void {
  const { rooms, directs, open } = session.conversations;
  const all = [...rooms, ...directs];
  const start = all.findIndex((each) => each === open);
  for (let offset = 1; offset <= all.length; offset += 1) {
    const each = all[(start + step * offset + all.length * offset) % all.length];
    if (each !== undefined && (!unread || each.unread > 0)) {
      session.enter(each.name);
      return;
    }
  }
}
