import { execFileSync } from "node:child_process";
import { expect, test, vi } from "vitest";

vi.setConfig({ testTimeout: 60_000 }); // a process has to start

function said(code: string): Record<string, unknown>[] {
  const out = execFileSync(process.execPath, ["--import", "./lines.mjs", "-e", code], { cwd: `${import.meta.dirname}/../..`, encoding: "utf8" });
  return out.split("\n").slice(0, -1).map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("what our code logs keeps its name and fields", () => {
  const [line] = said('console.error("cart_event_lost", { error: "Error: away" })');
  expect(line).toMatchObject({ event: "cart_event_lost", error: "Error: away", level: "error" });
  expect(new Date(String(line?.timestamp)).getTime()).toBeGreaterThan(0);
});

test("what others say is one line each, without colours, errors with their place", () => {
  const lines = said('console.log("\\u001b[32m ready\\u001b[0m in %d ms\\n", 12); console.log(""); console.warn(new Error("broken"))');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({ event: "library_said", text: "ready in 12 ms", level: "info" });
  expect(lines[1]).toMatchObject({ level: "warning", text: expect.stringMatching(/^Error: broken\n +at /) });
});
