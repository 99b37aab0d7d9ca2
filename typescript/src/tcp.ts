/**
 * The byte stream over TCP or a Unix socket, for Node.
 *
 * Law of this file: it is imported by programs that run in Node, and by no other file here.
 */

import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import type { Connection, ConnectionEvents, Transport } from "./transport.js";
import { checkNumber, checkObject, checkText } from "./wire/arguments.js";

/** The port of servers unless configured. */
const DEFAULT_PORT = 5050;

/** Milliseconds of silence after which the system asks whether the other machine is there. */
const KEEP_ALIVE_MILLISECONDS = 60_000;

const ADDRESS =
  /^(?:tcpmsg:\/\/|tcp:)?(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([\w.-]+))(?::([0-9]{1,5}))?\/?$/;

/** Where a server listens: a host and a port, or a Unix socket. */
export type TcpAddress = string | { host?: string; port: number } | { path: string };

/**
 * Reach a server by TCP: `HOST:PORT`, `[IPV6]:PORT`, `tcpmsg://HOST:PORT` (port 5050 if it is left out), or
 * an object with `host` and `port`; or by a Unix socket: an object with its `path`. Throws RangeError for
 * what cannot be an address, and TypeError for what is of a wrong type.
 */
export function tcp(address: TcpAddress): Transport {
  const target = typeof address === "string" ? parsed(address) : address;
  checkObject(target, "an address that is no string");
  if ("path" in target) {
    checkText(target.path, "a path");
  } else {
    checkText(target.host ?? "", "a host");
    checkNumber(target.port, "a port");
  }
  if (
    "port" in target &&
    !(Number.isInteger(target.port) && target.port > 0 && target.port < 65536)
  ) {
    throw new RangeError(`a port is a number from 1 to 65535, not ${target.port}`);
  }
  const shown =
    typeof address === "string"
      ? address
      : "path" in address
        ? address.path
        : `${address.host ?? "localhost"}:${address.port}`;
  return {
    address: shown,
    connect: (events) => new TcpConnection(connect({ ...target, noDelay: true }), events),
    entropy: (count) => randomBytes(count),
  };
}

class TcpConnection implements Connection {
  readonly #socket: Socket;
  #over = false;
  readonly #closed: (error: Error | null) => void;

  constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#closed = (error) => {
      if (!this.#over) {
        this.#over = true;
        events.closed(error);
      }
    };
    socket.setKeepAlive(true, KEEP_ALIVE_MILLISECONDS);
    socket.on("connect", () => this.#over || events.opened());
    socket.on("data", (bytes: Buffer) => this.#over || events.received(bytes));
    socket.on("drain", () => this.#over || events.drained());
    socket.on("end", () => this.close()); // the server sends no more, so it will not read either
    let failure: Error | null = null;
    socket.on("error", (error: NodeJS.ErrnoException) => {
      failure = new Error(explained(error), { cause: error });
    });
    socket.on("close", () => this.#closed(failure));
  }

  send(bytes: Uint8Array): boolean {
    return this.#socket.destroyed || this.#socket.write(bytes);
  }

  unsent(): number {
    return this.#socket.writableLength;
  }

  close(): void {
    this.#socket.end();
  }

  abort(): void {
    this.#closed(null);
    this.#socket.destroy();
  }
}

function parsed(address: string): { host: string; port: number } {
  const match = ADDRESS.exec(address);
  if (match === null) {
    throw new RangeError(
      `${JSON.stringify(address)} is no address: write HOST:PORT or [IPV6]:PORT`,
    );
  }
  const port = match[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  return { host: (match[1] ?? match[2]) as string, port };
}

/** Return cause and way out of a failure. */
function explained(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "connection refused; is the server running? start it with: tcpmsg serve";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "no such host; check the name, or write the address in digits";
    case "ETIMEDOUT":
      return "no answer; check the address, and that no firewall stands between";
    case "ECONNRESET":
    case "EPIPE":
      return "the connection was lost";
    default:
      return error.message;
  }
}
