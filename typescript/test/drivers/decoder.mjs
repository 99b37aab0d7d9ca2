// A decoder for `conformance/run.py decoder`: the protocol's own page says what is asked and answered.

import { createInterface } from "node:readline";
import { FrameDecoder, ProtocolError } from "../../dist/wire/index.js";

for await (const line of createInterface({ input: process.stdin })) {
  const { header_size, max_payload, pieces } = JSON.parse(line);
  const decoder = new FrameDecoder(header_size, max_payload);
  const frames = [];
  let error = null;
  try {
    for (const piece of pieces) {
      for (const { words, payload } of decoder.feed(Buffer.from(piece, "hex"))) {
        frames.push({ words, payload: Buffer.from(payload).toString("hex") });
      }
    }
  } catch (refused) {
    if (!(refused instanceof ProtocolError)) {
      throw refused;
    }
    error = refused.code;
  }
  console.log(JSON.stringify({ frames, error }));
}
