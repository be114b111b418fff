import { defineConfig } from "@playwright/test";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  workers: 1,
  // A loaded machine is slow, not wrong: patience costs nothing where all is well.
  timeout: 240_000,
  expect: { timeout: 30_000 },
  reporter: "line",
  use: {
    baseURL: process.env.EVERSHELF_TEST_WEB_URL ?? "http://127.0.0.1:3000",
    viewport: { width: 1280, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
    launchOptions: { executablePath: process.env.EVERSHELF_TEST_CHROMIUM ?? "/usr/bin/chromium", args: FLAGS },
    trace: "off",
    actionTimeout: 60_000,
  },
});
