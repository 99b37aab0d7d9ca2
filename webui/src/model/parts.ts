/**
 * What a session is put together from.
 *
 * Law of this file: types alone, for all that is made of them.
 */

import type { Client } from "tcpmsg";
import type { Directs } from "./directs";
import type { Notices } from "./notices";
import type { Preferences } from "./preferences";
import type { Profile } from "./profile";

/** What a session needs of a client. */
export type Wire = Pick<
  Client,
  | "state"
  | "name"
  | "outbox"
  | "storeError"
  | "refusal"
  | "on"
  | "connect"
  | "nudge"
  | "abort"
  | "send"
  | "discard"
  | "subscribe"
  | "directs"
  | "history"
  | "rooms"
>;

/** Make a client that goes by this name. */
export type MakeWire = (name: string, secret: string) => Wire;

export interface Parts {
  readonly profile: Profile;
  readonly directs: Directs;
  readonly preferences: Preferences;
  readonly notices: Notices;
  readonly makeWire: MakeWire;
  /** Something that no other message's key has in it. */
  readonly random: () => string;
}
