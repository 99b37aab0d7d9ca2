/**
 * Where the page begins.
 *
 * Law of this file: everything is put together here, and nowhere else.
 */

import { Client, WebStorageOutbox, webSocket } from "tcpmsg";
import { createRoot } from "react-dom/client";
import { takeIdentity } from "./model/identity";
import { Directs } from "./model/directs";
import { Notices } from "./model/notices";
import { Preferences } from "./model/preferences";
import { Profile } from "./model/profile";
import { Session } from "./model/session";
import { isRecord, read, usable, write } from "./model/storage";
import { App, enterFirst } from "./ui/App";
import "./styles/page.css";

/** The largest payload that is read: what is larger ends the connection. */
const MOST_PAYLOAD = 64 * 1024 * 1024;

/** Where the name stays for the next tab, where no place does. */
const NAME = "tcpmsg.name";

async function main(): Promise<void> {
  const identity = await takeIdentity();
  const local = usable("localStorage");
  const profile = new Profile(identity);
  const preferences = new Preferences(local);
  const transport = webSocket(new URL("/ws", location.href.replace(/^http/, "ws")));
  const outbox = new WebStorageOutbox(identity.storage, `${identity.prefix}outbox`);
  const session = new Session({
    profile,
    directs: identity.lasting ? await Directs.open(identity.prefix) : new Directs(),
    preferences,
    notices: new Notices(),
    makeWire: (name, secret) => {
      if (!identity.lasting) write(local, NAME, name);
      return new Client({ transport, name, secret, outbox, maxPayload: MOST_PAYLOAD });
    },
    random,
  });

  if (profile.name !== null) {
    enterFirst(session);
    session.start(profile.name);
  }
  for (const event of ["online", "pageshow"]) window.addEventListener(event, () => session.nudge());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") session.nudge();
    else profile.save();
  });
  window.addEventListener("pagehide", () => profile.save());
  window.addEventListener("beforeunload", (event) => {
    if (session.outgoing.pending > 0 && (session.unkept.length > 0 || !identity.lasting)) event.preventDefault();
  });

  const element = document.getElementById("page");
  if (element === null) throw new Error("the page has no place to be");
  createRoot(element).render(
    <App session={session} preferences={preferences} identity={identity} suggested={identity.second ? "" : firstName(local)} />,
  );
}

/** The name that the first tab has, or the last one had, for one that has none. */
function firstName(storage: Storage): string {
  const kept = read(storage, "tcpmsg.0.profile");
  const name = isRecord(kept) ? kept["name"] : read(storage, NAME);
  return typeof name === "string" ? name : "";
}

function random(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

void main();
