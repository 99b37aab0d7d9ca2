/**
 * tcpmsg for TypeScript and JavaScript: a client that keeps its promises over lost connections,
 * in browsers and in Node.
 *
 *     import { Client, webSocket } from "tcpmsg";
 *
 *     const client = new Client({ transport: webSocket(`ws://${location.host}/ws`), name: "alice" });
 *     client.connect();
 *     client.subscribe("lobby", { last: 50, onEvents: (events) => show(events) });
 *     const { seq } = await client.send("lobby", "hello"); // once it is stored
 *
 * Law of this file: it is all that programs may import, beside `tcp` of "tcpmsg/tcp" and the bare
 * protocol of "tcpmsg/wire".
 */

export type {
  ClientEvents,
  ClientOptions,
  Directs,
  Listing,
  Pending,
  Refusal,
  RoomInfo,
  Subscription,
} from "./api.js";
export { Client } from "./client.js";
export {
  CannotConnect,
  ClientError,
  Disconnected,
  NotUnderstood,
  Refused,
  Superseded,
  TimedOut,
  Undelivered,
} from "./errors.js";
export { type DirectEvent, Message, type RoomEvent } from "./events.js";
export type { ServerDetails, State } from "./lifeline.js";
export type { HistoryOptions, HistoryPage } from "./page.js";
export type { SubscribeOptions } from "./reader.js";
export { drawSecret, type Entropy } from "./secret.js";
export {
  MemoryOutbox,
  type OutboxStore,
  type StoredMessage,
  WebStorageOutbox,
} from "./stores.js";
export type { Receipt } from "./talk.js";
export type { Clock, Connection, ConnectionEvents, Transport } from "./transport.js";
export { type WebSocketOptions, webSocket } from "./websocket.js";
