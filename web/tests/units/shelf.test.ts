import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { memory } from "@/lib/server/memory";
import { warm } from "@/lib/server/shelf";

let server: Server | undefined;

/** A gateway that answers `statuses` one after the other, the last for ever; and how often it was asked. */
async function gateway(...statuses: number[]): Promise<{ asked: () => number }> {
  let asked = 0;
  server = createServer((_, response) => {
    const status = statuses[Math.min(asked, statuses.length - 1)] ?? 500;
    asked += 1;
    response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify({ recommendation_id: "r", items: [{ item_id: "mug", item: {} }] }));
  });
  await new Promise<void>((resolve) => void server?.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("EVERSHELF_WEB_GATEWAY_URL", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return { asked: () => asked };
}

afterEach(async () => {
  vi.unstubAllEnvs();
  delete (globalThis as { evershelfMemory?: unknown }).evershelfMemory;
  await new Promise((resolve) => server?.close(resolve));
});

test("a new process asks again until it knows the popular list", async () => {
  const { asked } = await gateway(503, 200);
  await warm();
  expect(asked()).toBe(2);
  expect(memory().list("popular")?.value.items).toHaveLength(1);
});

test("a process that remembers a popular list asks nobody", async () => {
  const { asked } = await gateway(200);
  memory().rememberList("popular", { recommendation_id: "r", items: [] } as never);
  await warm();
  expect(asked()).toBe(0);
});
