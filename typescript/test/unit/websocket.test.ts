/** The WebSocket transport over a socket in the test's hands. */

import { describe, expect, it } from "vitest";
import { type ConnectionEvents, webSocket } from "../../src/index.js";
import { FakeClock } from "./world.js";

class FakeSocket {
  static last: FakeSocket;
  binaryType = "blob";
  readyState = 1;
  bufferedAmount = 0;
  sent: number[] = [];
  closed = 0;
  onopen: () => void = () => {};
  onmessage: (event: { data: unknown }) => void = () => {};
  onclose: (event: object) => void = () => {};
  onerror: () => void = () => {};

  constructor(readonly url: string) {
    FakeSocket.last = this;
  }

  send(data: Uint8Array): void {
    this.sent.push(data.length);
    this.bufferedAmount += data.length;
  }

  close(): void {
    this.closed += 1;
  }
}

function connected() {
  const told: unknown[] = [];
  const clock = new FakeClock();
  const events: ConnectionEvents = {
    opened: () => told.push("opened"),
    received: (bytes) => told.push([...bytes]),
    drained: () => told.push("drained"),
    closed: (error) => told.push(error?.message ?? null),
  };
  const transport = webSocket(new URL("ws://x/ws"), { WebSocket: FakeSocket, clock });
  const connection = transport.connect(events);
  return { told, clock, connection, socket: FakeSocket.last };
}

describe("over WebSocket", () => {
  it("bytes go and come", () => {
    const { told, connection, socket } = connected();
    expect([socket.url, socket.binaryType]).toEqual(["ws://x/ws", "arraybuffer"]);
    socket.onopen();
    socket.onmessage({ data: Uint8Array.of(1, 2).buffer });
    expect(connection.send(new Uint8Array(200_000))).toBe(true);
    expect(socket.sent).toEqual([65536, 65536, 65536, 3392]);
    socket.onclose({ code: 1000 });
    socket.onclose({ code: 1000 });
    socket.onmessage({ data: new ArrayBuffer(1) });
    expect(told).toEqual(["opened", [1, 2], null]);
  });

  it("whoever sends too much is told when there is room again", async () => {
    const { told, clock, connection, socket } = connected();
    expect(connection.send(new Uint8Array(1024 * 1024))).toBe(true);
    expect(connection.send(new Uint8Array(1))).toBe(false);
    await clock.advance(100);
    socket.bufferedAmount = 256 * 1024;
    expect(told).toEqual([]);
    await clock.advance(20);
    expect(told).toEqual(["drained"]);
    expect(clock.waiting).toBe(0);
  });

  it("an end leaves no timer, and sends nothing more", async () => {
    const { told, clock, connection, socket } = connected();
    connection.send(new Uint8Array(2 * 1024 * 1024));
    connection.abort();
    expect([told, socket.closed, clock.waiting]).toEqual([[null], 1, 0]);
    const { length } = socket.sent;
    expect(connection.send(new Uint8Array(1))).toBe(true);
    expect(socket.sent.length).toBe(length);
    socket.onopen();
    expect(told).toEqual([null]);
  });

  it.each([
    [false, {}, "no WebSocket answers there"],
    [true, {}, "the WebSocket was closed with 1006"],
    [true, { code: 1001 }, null],
    [true, { code: 1009, reason: "too big" }, "the WebSocket was closed with 1009: too big"],
  ])("(opened: %s) a close with %j is told", (opened, event, message) => {
    const { told, socket } = connected();
    if (opened) {
      socket.onopen();
    }
    socket.onerror();
    socket.onclose(event);
    expect(told.at(-1)).toBe(message);
  });

  it("text is not this protocol", () => {
    const { told, socket } = connected();
    socket.onmessage({ data: "hello" });
    expect(told).toEqual(["the server sent text, and this protocol is bytes: check the address"]);
    expect(socket.closed).toBe(1);
  });
});
