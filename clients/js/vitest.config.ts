/** How the unit tests run. Those of React choose their environment in their first line. */
import { defineConfig } from "vitest/config";

const source = (path: string): string => new URL(`src/${path}`, import.meta.url).pathname;

export default defineConfig({
  // Examples import the package by its name.
  resolve: { alias: { "touchline/react": source("react/index.ts"), touchline: source("index.ts") } },
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    // As in pytest: waiting is for outcomes, and a busy machine takes its time.
    testTimeout: 60_000,
  },
});
