import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: {
      "@": import.meta.dirname,
      // Next gives this name its meaning; outside of Next it means nothing.
      "server-only": `${import.meta.dirname}/tests/units/server-only.ts`,
    },
  },
  test: { include: ["tests/units/**/*.test.ts"] },
});
