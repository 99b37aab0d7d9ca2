/** The protocol's own vectors, played by its runner to this decoder and this client. */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const CONFORMANCE = new URL("../../../conformance/", import.meta.url);

function vectors(name: string): number {
  return readFileSync(new URL(name, CONFORMANCE), "ascii").trim().split("\n").length;
}

it.each([
  ["decoder", "frames.jsonl"],
  ["client", "client.jsonl"],
])("the %s passes", async (what, file) => {
  const driver = fileURLToPath(new URL(`../drivers/${what}.mjs`, import.meta.url));
  const runner = fileURLToPath(new URL("run.py", CONFORMANCE));
  const { stdout } = await promisify(execFile)("python3", [runner, what, process.execPath, driver]);
  expect(stdout).toBe(`${vectors(file)} right, 0 failed, 0 passed over\n`);
});
