// A client for `conformance/run.py client`: lines of JSON say what to do, and what happened.

import { createInterface } from "node:readline";
import { Client, Refused, Superseded } from "../../dist/index.js";
import { tcp } from "../../dist/tcp.js";

const report = (event) => console.log(JSON.stringify(event));

const client = new Client({ transport: tcp(process.argv[2]), name: "alice", jitter: () => 0 });
client.connect();
let sent = 0;

async function send({ room, payload }) {
  sent += 1;
  const number = sent;
  try {
    await client.send(room, payload);
    report({ stored: number });
  } catch (error) {
    if (!(error instanceof Refused)) {
      throw error;
    }
    report({ refused: number });
  }
}

async function join({ room }) {
  try {
    for await (const event of client.subscribe(room)) {
      if (event.kind === "message") {
        const { seq, sender, text } = event.message;
        report({ message: { room, seq, sender, payload: text } });
      } else if (event.kind === "missed") {
        report({ missed: { room, first: event.first, last: event.last } });
      }
    }
  } catch (error) {
    if (!(error instanceof Superseded)) {
      throw error;
    }
    report({ over: "superseded" });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  if (request.send !== undefined) {
    send(request.send);
  } else {
    join(request.join);
  }
}
