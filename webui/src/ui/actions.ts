/**
 * What somebody does with a message in the list.
 *
 * Law of this file: whatever the browser or the server does not allow is told to whoever asked for it.
 */

import { useMemo } from "react";
import type { Conversation } from "../model/conversation";
import type { Said } from "../model/entry";
import { usePage } from "./hooks";
import type { RowActions } from "./Row";

/** The same object as long as the conversation is the same, so that no row is drawn anew for it. */
export function useRowActions(conversation: Conversation): RowActions {
  const { session, write, restore } = usePage();
  return useMemo<RowActions>(
    () => ({
      copy: (entry: Said) => {
        void copy(String(entry.content)).then((done) => session.notices.show(done ? "Copied" : "The browser does not let this page copy", done ? "plain" : "bad"));
      },
      mention: (name) => write(`@${name} `),
      talkTo: (name) => session.enter(`@${name}`),
      retry: (key) => session.outgoing.retry(conversation.name, key),
      takeBack: (key) => {
        const content = session.outgoing.takeBack(conversation.name, key);
        if (typeof content === "string") restore(content);
        else if (content === null) session.notices.show("It was sent already");
      },
    }),
    [session, conversation, write, restore],
  );
}

/** Put a text into the clipboard, also where the page is not secure and there is no API for it. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
