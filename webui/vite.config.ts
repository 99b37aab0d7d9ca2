/**
 * How the page is built, served while one works on it, and tested.
 *
 * Law of this file: what is built is the same wherever it is built, because it is committed and
 * compared: names hang on contents, and nothing of the machine is in it.
 */

import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The server that `npm run dev` passes `/ws` on to. */
const SERVER = process.env["TCPMSG_SERVER"] ?? "127.0.0.1:5050";

export default defineConfig({
  plugins: [react()],
  resolve: {
    alias: { tcpmsg: here("../typescript/src/index.ts") },
  },
  base: "/",
  build: {
    outDir: here("../twisted_msg/web/static"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the Content-Security-Policy takes styles and fonts from files only
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/ws": {
        target: `ws://${SERVER}`,
        ws: true,
        changeOrigin: true,
        // the server answers pages of its own address only
        configure: (proxy) => proxy.on("proxyReqWs", (request) => request.setHeader("origin", `http://${SERVER}`)),
      },
    },
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: ["tests/setup.ts"],
    restoreMocks: true,
    // Each key of a person costs a drawing without a browser: more than Vitest's five seconds on a slow machine. Nothing
    // waits for this.
    testTimeout: 90_000,
    hookTimeout: 90_000,
  },
});
