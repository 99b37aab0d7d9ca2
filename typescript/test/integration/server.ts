/** Real servers for the tests: started on port 0, ready when they say so. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach } from "vitest";

const TWISTD =
  process.env.TCPMSG_TWISTD ??
  fileURLToPath(new URL("../../../.venv-test/bin/twistd", import.meta.url));

const LISTENS = /listens on [^ ]+:(\d+)/;
const READY = "from a script: ";

/** A server of its own process, with a folder of its own. */
export class Server {
  port = 0;
  /** What it has printed. */
  output = "";
  readonly folder = mkdtempSync(join(tmpdir(), "tcpmsg-"));
  readonly #options: string[];
  #process: ChildProcess | null = null;
  #exit: Promise<void> = Promise.resolve();

  constructor(...options: string[]) {
    this.#options = options;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Start it, on the port it had before if any, and wait until it says that it is ready. */
  async start(): Promise<this> {
    if (!existsSync(TWISTD)) {
      throw new Error(
        `there is no server at ${TWISTD}: set TCPMSG_TWISTD, or run scripts/test once`,
      );
    }
    const kept = Object.entries(process.env).filter(([name]) => !/^(TCPMSG_|XDG_)/.test(name));
    const child = spawn(
      TWISTD,
      ["-n", "--pidfile=", "tcpmsg", "--listen", this.address, ...this.#options],
      {
        cwd: this.folder,
        env: { ...Object.fromEntries(kept), HOME: this.folder, PYTHONUNBUFFERED: "1" },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    this.#process = child;
    this.#exit = new Promise((resolve) => child.once("close", () => resolve()));
    child.stderr.on("data", (data: Buffer) => {
      this.output += data;
    });
    await new Promise<void>((resolve, reject) => {
      const lines = createInterface({ input: child.stdout });
      lines.on("line", (line) => {
        this.output += `${line}\n`;
        this.port ||= Number(LISTENS.exec(line)?.[1] ?? 0);
        if (line.includes(READY)) {
          resolve();
        }
      });
      lines.on("close", () => reject(new Error(`the server did not start:\n${this.output}`)));
    });
    return this;
  }

  /** End it with a signal, and wait for that. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#process?.kill(signal);
    await this.#exit;
    this.#process = null;
  }

  /** End it without warning, and start it again with the same data. */
  async killAndRestart(): Promise<void> {
    await this.stop("SIGKILL");
    await this.start();
  }

  async end(): Promise<void> {
    await this.stop("SIGKILL");
    rmSync(this.folder, { recursive: true });
    if (this.output.includes("Traceback")) {
      throw new Error(`the server had a fault:\n${this.output}`);
    }
  }
}

const running: Server[] = [];

/** Start a server that is ended with the test. */
export async function serve(...options: string[]): Promise<Server> {
  const server = new Server(...options);
  running.push(server);
  return server.start();
}

afterEach(async () => {
  for (const server of running.splice(0)) {
    await server.end();
  }
});

/** Say frames of another program, and return all that is answered, to the end. */
export function netcat(port: number, ...frames: [string, string?][]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" });
    let answer = "";
    socket.on("data", (data) => {
      answer += data;
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
    for (const [words, payload = ""] of frames) {
      socket.write(`${Buffer.byteLength(payload)} ${words}`.padEnd(128) + payload);
    }
  });
}
