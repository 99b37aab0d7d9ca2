/** The examples do what they say. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished, vi } from "vitest";
import { WebSocket } from "ws";
import { made } from "../drivers/recorded.js";
import { netcat, type Server, serve } from "./server.js";

const folder = fileURLToPath(new URL("../../", import.meta.url));

class Example {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(...words: string[]) {
    const child = spawn(process.execPath, words, {
      cwd: folder,
      stdio: ["pipe", "pipe", "inherit"],
    });
    onTestFinished(() => {
      child.kill();
    });
    this.process = child;
    this.#reader = createInterface({ input: child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    return (await this.#lines.next()).value;
  }
}

it("the terminal's chat talks, is safe to read, and ends when all is stored", async () => {
  const server = await serve();
  const chat = new Example("examples/chat.mjs", server.address, "lobby", "alice");
  expect(await chat.line()).toBe(`-- connected to ${server.address} as alice`);
  chat.process.stdin?.write("hello\n");
  expect(await chat.line()).toBe("alice: hello");
  await netcat(server.port, ["HELLO name=bob"], ["PUB lobby 1", "\x1b[2Jho\u202e"], ["BYE"]);
  expect(await chat.line()).toBe("bob: \\u{1b}[2Jho\\u{202e}");
  chat.process.stdin?.end("one more\nand the last\n");
  const [code] = await once(chat.process, "exit");
  expect(code).toBe(0);
  const history = await netcat(server.port, ["SUB lobby from=1"], ["BYE"]);
  expect(history.match(/hello|one more|and the last/g)).toEqual([
    "hello",
    "one more",
    "and the last",
  ]);
});

it("the terminal's chat goes on over a restart", async () => {
  const server = await serve();
  const chat = new Example("examples/chat.mjs", server.address, "lobby", "alice");
  await chat.line();
  await server.stop();
  expect(await chat.line()).toMatch(/^-- the server stops: reconnect; connecting again$/);
  chat.process.stdin?.write("while away\n");
  await server.start();
  let line = "";
  while (line !== "alice: while away") {
    line = await chat.line();
  }
  chat.process.stdin?.end();
  expect((await once(chat.process, "exit"))[0]).toBe(0);
});

/** As much of a browser's page as the example touches. */
function page(location: URL) {
  const elements = new Map<
    string,
    { textContent: string; value: string; lines: string[]; submit(): void }
  >();
  const element = () => {
    const made = {
      textContent: "",
      value: "",
      lines: [] as string[],
      submit: () => {},
      append: (child: { textContent: string }) => made.lines.push(child.textContent),
      addEventListener: (_: string, act: (event: object) => void) => {
        made.submit = () => act({ preventDefault: () => {} });
      },
    };
    return made;
  };
  const kept = new Map<string, string>();
  vi.stubGlobal("document", {
    createElement: element,
    getElementById: (id: string) => {
      const found = elements.get(id) ?? element();
      elements.set(id, found as never);
      return found;
    },
  });
  vi.stubGlobal("location", location);
  vi.stubGlobal("addEventListener", () => {});
  vi.stubGlobal("sessionStorage", {
    get length() {
      return kept.size;
    },
    key: (at: number) => [...kept.keys()][at] ?? null,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
  // What a browser says of itself, and servers look at.
  vi.stubGlobal(
    "WebSocket",
    class extends WebSocket {
      constructor(url: string) {
        super(url, { origin: location.origin });
      }
    },
  );
  onTestFinished(() => {
    vi.unstubAllGlobals();
  });
  return elements;
}

async function pageServed(server: Server): Promise<URL> {
  const served = new Example("examples/page/serve.mjs", "0", server.address);
  return new URL(/open (.*)/.exec(await served.line())?.[1] as string);
}

it("the page is served with the module, and nothing else is", async () => {
  const url = await pageServed(await serve());
  const index = await fetch(url);
  expect(index.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(await index.text()).toContain('src="chat.js"');
  for (const path of [
    "chat.js",
    "tcpmsg/index.js",
    "tcpmsg/wire/decoder.js",
    "tcpmsg/index.js.map",
  ]) {
    expect((await fetch(new URL(path, url))).status, path).toBe(200);
  }
  for (const path of ["serve.mjs", "tcpmsg/../package.json", "tcpmsg/%2e%2e/package.json", "x"]) {
    expect((await fetch(new URL(path, url))).status, path).toBe(404);
  }
});

it("the page shows what is said, and sends what is typed", async () => {
  const server = await serve();
  const url = await pageServed(server);
  await netcat(server.port, ["HELLO name=bob"], ["PUB lobby 1", "<b>hi</b>"], ["BYE"]);
  const elements = page(url);
  const script = `${folder}examples/page/chat.js`;
  await import(/* @vite-ignore */ script);
  onTestFinished(() => made[0]?.abort());
  const shows = (text: string) =>
    vi.waitUntil(() => elements.get("messages")?.lines.some((line) => line.endsWith(text)), {
      timeout: 60_000,
    });
  await shows("bob: <b>hi</b>");
  expect(elements.get("state")?.textContent).toMatch(/^You are guest-\d+\.$/);
  const typed = document.getElementById("text") as unknown as { value: string };
  typed.value = "hello from a page";
  elements.get("form")?.submit();
  await shows(": hello from a page");
  expect(typed.value).toBe("");
});
