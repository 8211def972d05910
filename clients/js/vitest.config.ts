/** How the unit tests run. Those of React choose their environment in their first line. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    // As in pytest: waiting is for outcomes, and a busy machine takes its time.
    testTimeout: 60_000,
  },
});
