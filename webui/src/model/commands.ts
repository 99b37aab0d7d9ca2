/**
 * Lines that begin with a slash, with the words of `tcpmsg chat`.
 *
 * A line that is neither a message nor a command sends nothing.
 */

import type { Conversation } from "./conversation";
import { isName, isRoom, NAME_RULE, ROOM_RULE } from "./grammar";
import type { Session } from "./session";

/** What a line means: a message to send, a command that was carried out, or why nothing happened. */
export type Outcome =
  | { readonly kind: "message"; readonly text: string }
  | { readonly kind: "done" }
  | { readonly kind: "help" }
  | { readonly kind: "wrong"; readonly reason: string };

interface Command {
  readonly usage: string;
  readonly summary: string;
  readonly run: (session: Session, conversation: Conversation, rest: string) => Outcome;
}

const DONE: Outcome = { kind: "done" };

function wrong(reason: string): Outcome {
  return { kind: "wrong", reason };
}

const COMMANDS: readonly Command[] = [
  {
    usage: "/me TEXT",
    summary: "say what you are doing: * alice waves",
    run: (session, _, rest) => (rest === "" ? wrong("Say what you are doing: /me TEXT.") : { kind: "message", text: `* ${session.name} ${rest}` }),
  },
  {
    usage: "/msg NAME TEXT",
    summary: "send a direct message",
    run: (session, _, rest) => {
      const [to = "", text = ""] = split(rest);
      const name = to.replace(/^@/, "");
      if (!isName(name) || text === "") return wrong(`Say to whom, and what: /msg NAME TEXT. ${NAME_RULE}`);
      session.enter(`@${name}`);
      session.outgoing.say(`@${name}`, text);
      return DONE;
    },
  },
  {
    usage: "/join ROOM",
    summary: "go to a room; it is created if there is none",
    run: (session, _, rest) => {
      const room = rest.replace(/^#/, "");
      return isRoom(room) && session.enter(room) ? DONE : wrong(`Say which room: /join ROOM. ${ROOM_RULE}`);
    },
  },
  {
    usage: "/part [ROOM]",
    summary: "leave a room, or close this conversation",
    run: (session, conversation, rest) => {
      const place = rest === "" ? conversation.name : rest.replace(/^#/, "");
      if (session.conversations.find(place) === undefined) return wrong(`You are not in ${place}.`);
      session.leave(place);
      return DONE;
    },
  },
  {
    usage: "/nick NAME",
    summary: "change your name",
    run: (session, _, rest) => {
      if (!isName(rest)) return wrong(`Say which name: /nick NAME. ${NAME_RULE}`);
      if (rest !== session.name) session.start(rest);
      return DONE;
    },
  },
  { usage: "/help", summary: "this list", run: () => ({ kind: "help" }) },
];

/** How each command is used, and what it does. */
export const COMMAND_LIST: readonly (readonly [string, string])[] = [
  ...COMMANDS.map(({ usage, summary }) => [usage, summary] as const),
  ["//text", "send a message that begins with a slash: /text"],
];

/** Carry out a line, or return the message that it is. Nothing is sent for a message: the caller does that. */
export function interpret(session: Session, conversation: Conversation, line: string): Outcome {
  if (!line.startsWith("/")) return { kind: "message", text: line };
  if (line.startsWith("//")) return { kind: "message", text: line.slice(1) };
  const [word = "", rest = ""] = split(line);
  const command = COMMANDS.find(({ usage }) => usage.split(" ")[0] === word);
  if (command !== undefined) return command.run(session, conversation, rest);
  return wrong(`There is no command ${word}, and nothing was sent. /help lists the commands; put one more / in front to send this text.`);
}

/** Whether a message says what its sender does, as `/me` does. */
export function isAction(sender: string, text: string): boolean {
  return text.length > sender.length + 3 && text.startsWith(`* ${sender} `);
}

/** Return the first word of a line, and what follows it. */
function split(line: string): [string, string] {
  const [, word = "", rest = ""] = /^(\S*)\s*([^]*)$/.exec(line) ?? [];
  return [word, rest.trim()];
}
