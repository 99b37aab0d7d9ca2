import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Real servers need more than Vitest's five seconds on a slow machine; nothing waits for this.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    dangerouslyIgnoreUnhandledErrors: false,
    allowOnly: false,
  },
});
