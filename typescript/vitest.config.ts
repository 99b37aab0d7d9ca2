import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Where the example's page finds the module that `serve.mjs` gives it.
  resolve: {
    alias: {
      "./tcpmsg/index.js": fileURLToPath(new URL("test/drivers/recorded.ts", import.meta.url)),
    },
  },
  test: {
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/setup.ts"],
    // Real servers need more than Vitest's five seconds on a slow machine; nothing waits for this.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    allowOnly: false,
  },
});
