/**
 * The protocol alone: frames out of bytes, replies out of frames, and requests as bytes.
 *
 * Law of this floor: no input or output, no timers, no client; it runs wherever JavaScript does.
 */

export { type Frame, FrameDecoder } from "./decoder.js";
export { ENDING, type ErrorCode, ProtocolError } from "./errors.js";
export { encodeHeader, type Header, parseHeader } from "./header.js";
export * as limits from "./limits.js";
export { parseReply, type Reply, type ReplyOf } from "./replies.js";
export * as requests from "./requests.js";
