// A chat for the terminal, in Node: node examples/chat.mjs [HOST:PORT [ROOM [NAME]]]
// It shows the last ten messages and what is said from then on, and sends each line that is typed.

import { createInterface } from "node:readline";
import { Client } from "tcpmsg";
import { tcp } from "tcpmsg/tcp";

const [address = "127.0.0.1:5050", room = "lobby", name = process.env.USER] = process.argv.slice(2);

const client = new Client({ transport: tcp(address), name });

client.on("state", (state) => {
  if (state.phase === "online") {
    console.log(`-- connected to ${address} as ${state.name}`);
  } else if (state.phase === "offline") {
    console.log(`-- ${state.reason.message}; connecting again`);
  }
});
client.on("refused", ({ error }) => console.log(`-- not sent: ${error.message}`));

client.subscribe(room, {
  last: 10,
  onEvents: (events) => {
    for (const event of events) {
      if (event.kind === "message") {
        const { sender, text } = event.message;
        console.log(`${sender}: ${shown(text ?? "(bytes)")}`);
      } else if (event.kind === "missed") {
        console.log(`-- the messages ${event.first} to ${event.last} are no longer kept`);
      }
    }
  },
});

/** Return a text as a terminal may show it: what could move the cursor or worse is escaped. */
function shown(text) {
  return text.replace(/\p{C}/gu, (sign) => `\\u{${sign.codePointAt(0).toString(16)}}`);
}

try {
  await client.connect();
  for await (const line of createInterface({ input: process.stdin })) {
    client.send(room, line); // it is kept until it is stored, over however many connections
  }
  await client.close(); // waits for that
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
