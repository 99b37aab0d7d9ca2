/** The client over TCP against the real server, and against servers that are none. */

import { createServer, type Server as NetServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { Client } from "../../src/index.js";
import { tcp } from "../../src/tcp.js";
import { behaves } from "./behaviour.js";
import { serve } from "./server.js";

behaves("over TCP", (server) => tcp(server.address));

/** Listen with a server of the test's own; returns its address. */
async function listening(act: (socket: Socket) => void): Promise<string> {
  const server: NetServer = createServer((socket) => {
    socket.on("error", () => {});
    act(socket);
  });
  onTestFinished(() => {
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

const WELCOME = '{"max_payload":1000}';
const welcome = `${WELCOME.length} WELCOME alice 0`.padEnd(128) + WELCOME;

describe("servers that are none", () => {
  it.each([
    ["HTTP", "HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n".padEnd(300, "x"), /an HTTP server/],
    [
      "noise",
      Buffer.from(Array.from({ length: 500 }, (_, at) => (at * 97) % 256)),
      /not this protocol/,
    ],
    ["a length of 20 digits", "1".repeat(20).padEnd(128), /at most ten digits/],
    ["a length below zero", "-1".padEnd(128), /not this protocol/],
    ["a gigabyte", `${welcome}${"1000000000 MSG lobby 1 bob 0".padEnd(128)}`, /too large/],
    ["JSON that is none", `${"1 WELCOME alice 0".padEnd(128)}{`, /not this protocol/],
    ["a number above all", "0 ACK 1 99999999999999999999".padEnd(128), /before it made|not this/],
    ["a plain chat", `${"5".padEnd(128)}hello`, /plain message/],
  ])("that say %s are not tried again", async (_, bytes, told) => {
    let connections = 0;
    const address = await listening((socket) => {
      connections += 1;
      socket.once("data", () => socket.end(bytes));
    });
    const client = new Client({ transport: tcp(address), jitter: () => 0 });
    onTestFinished(() => client.abort());
    const refused = client.connect({ attempts: 1 });
    await expect(
      refused.then(
        () =>
          new Promise((_, reject) =>
            client.on("state", (state) => {
              if (state.phase === "ended") {
                reject(state.reason);
              }
            }),
          ),
      ),
    ).rejects.toThrow(told);
    expect(client.state.phase).toBe("ended");
    expect(connections).toBe(1);
  });

  it("that send for ever fill no memory", async () => {
    const address = await listening((socket) => {
      socket.once("data", () => {
        socket.write(welcome);
        const message = Buffer.from(
          "1000000 MSG lobby 1 bob 0".padEnd(128) + "x".repeat(1_000_000),
        );
        const send = () => {
          while (!socket.destroyed && socket.write(message)) {}
        };
        socket.on("drain", send);
        send();
      });
    });
    const client = new Client({ transport: tcp(address) });
    onTestFinished(() => client.abort());
    await client.connect();
    client.subscribe("lobby"); // answered by nothing that makes sense
    client.directs();
    const before = process.memoryUsage().rss;
    const until = Date.now() + 1500;
    while (Date.now() < until) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(250 * 1024 * 1024);
    expect(client.state.phase).toBe("online");
  });
});

describe("addresses", () => {
  it.each([
    ["example.org", "example.org"],
    ["127.0.0.1:5050", "127.0.0.1:5050"],
    ["[::1]:5050", "[::1]:5050"],
    ["tcpmsg://example.org:1/", "tcpmsg://example.org:1/"],
    [{ host: "example.org", port: 1 }, "example.org:1"],
    [{ port: 1 }, "localhost:1"],
    [{ path: "/run/tcpmsg.sock" }, "/run/tcpmsg.sock"],
  ])("%j are read", (address, shown) => {
    expect(tcp(address).address).toBe(shown);
  });

  it.each(["", "a b", "host:port", "host:70000", "::1", { port: 0 }])(
    "%j are refused",
    (address) => {
      expect(() => tcp(address)).toThrow(RangeError);
    },
  );

  it("where nobody listens are told with the way out", async () => {
    const server = await serve();
    await server.stop();
    const client = new Client({ transport: tcp(server.address) });
    await expect(client.connect({ attempts: 1 })).rejects.toThrow(
      `cannot connect to ${server.address}: connection refused; is the server running? start it with: tcpmsg serve`,
    );
  });

  it("can be Unix sockets", async () => {
    const server = await serve("--listen", "unix:chat.sock");
    const client = new Client({ transport: tcp({ path: join(server.folder, "chat.sock") }) });
    await client.connect({ attempts: 1 });
    await client.send("lobby", "hi");
    await client.close();
  });
});
