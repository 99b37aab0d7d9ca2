/** The client over WebSocket against the real server, and against servers that are none. */

import type { AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Client, webSocket } from "../../src/index.js";
import { behaves } from "./behaviour.js";
import { serve } from "./server.js";

behaves("over WebSocket", ({ address }) => webSocket(`ws://${address}/ws`, { WebSocket }));

it("one room is shared over both", async () => {
  const server = await serve();
  const { tcp } = await import("../../src/tcp.js");
  const one = new Client({ transport: webSocket(`ws://${server.address}/ws`, { WebSocket }) });
  const two = new Client({ transport: tcp(server.address) });
  await Promise.all([one.connect(), two.connect()]);
  const iterator = two.subscribe("lobby")[Symbol.asyncIterator]();
  await iterator.next();
  await iterator.next(); // live
  await one.send("lobby", "hi");
  expect(await iterator.next()).toMatchObject({ value: { message: { text: "hi" } } });
  await Promise.all([one.close(), two.close()]);
});

/** Listen with a WebSocket server of the test's own; returns its address. */
async function listening(act: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => {
    server.close();
  });
  await new Promise((resolve) => server.once("listening", resolve));
  server.on("connection", act);
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
}

function tried(url: string): Promise<void> {
  const client = new Client({ transport: webSocket(url, { WebSocket }) });
  onTestFinished(() => client.abort());
  return client.connect({ attempts: 1 });
}

it("says what ended it", async () => {
  const closing = await listening((socket) => socket.close(1013, "come back later"));
  await expect(tried(closing)).rejects.toThrow("closed with 1013: come back later");
  const talking = await listening((socket) => socket.send("good day"));
  await expect(tried(talking)).rejects.toThrow("the server sent text");
  const server = await serve();
  await expect(tried(`ws://${server.address}/nowhere`)).rejects.toThrow(
    "no WebSocket answers there",
  );
  await server.stop();
  await expect(tried(`ws://${server.address}/ws`)).rejects.toThrow("no WebSocket answers there");
});

it("sends messages that are no larger than a piece, and waits while too much is unsent", async () => {
  const lengths: number[] = [];
  let bytes = 0;
  const url = await listening((socket) => {
    const details = '{"max_payload":9000000}';
    socket.on("message", (data: Buffer) => {
      lengths.push(data.length);
      if (lengths.length === 1) {
        socket.send(Buffer.from(`${details.length} WELCOME alice 0`.padEnd(128) + details));
      }
      const before = bytes;
      bytes += data.length;
      if (before < 8_000_000 && bytes >= 8_000_000) {
        socket.send(Buffer.from("0 ACK 1 1".padEnd(128)));
      }
      if (data.toString("latin1").endsWith("end")) {
        socket.send(Buffer.from("0 ACK 2 2".padEnd(128)));
      }
    });
  });
  const client = new Client({ transport: webSocket(url, { WebSocket }) });
  onTestFinished(() => client.abort());
  await client.connect();
  const sent = [client.send("lobby", new Uint8Array(8_000_000)), client.send("lobby", "end")];
  expect(await Promise.all(sent)).toMatchObject([{ seq: 1 }, { seq: 2 }]);
  expect(Math.max(...lengths)).toBe(65536);
});

it("needs a WebSocket from somewhere", () => {
  const { WebSocket: own } = globalThis;
  Reflect.deleteProperty(globalThis, "WebSocket");
  try {
    expect(() => webSocket("ws://127.0.0.1:1/ws")).toThrow(
      /give one, such as that of the package "ws"/,
    );
  } finally {
    globalThis.WebSocket = own;
  }
});
