/** Figures of the web part, written to screenshots/figures.json: axe, paint, script size of each page. */

import { mkdirSync, writeFileSync } from "node:fs";
import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Page } from "@playwright/test";
import { measurePaint, type Paint } from "./paint";
import { logIn, STANDARDS } from "./walking";

const SHOP_PAGES = ["/", "/category/home", "/search?q=mug", "/item/mug-0001", "/cart"];
const CONSOLE_PAGES = ["", "/resilience", "/data", "/explain", "/items", "/users", "/models", "/placements", "/drills", "/audit", "/keys", "/settings"].map((path) => `/console${path}`);

interface Figures extends Partial<Paint> {
  readonly axeViolations: number;
  /** Scripts as they travel, compressed. */
  readonly scriptBytes: number;
}

test.describe.configure({ mode: "default" });

const figures: Record<string, Figures> = {};
let operator: Page;

test.beforeAll(async ({ browser }) => {
  operator = await (await browser.newContext()).newPage();
  await logIn(operator);
});

test.afterAll(async () => {
  await operator.close();
  mkdirSync("screenshots", { recursive: true });
  writeFileSync("screenshots/figures.json", `${JSON.stringify(figures, null, 2)}\n`);
});

for (const path of SHOP_PAGES) {
  test(`figures of ${path}`, async ({ browser, page }) => {
    const paint = await measurePaint(browser, path);
    figures[path] = { ...(await look(page, path)), ...paint };
    expect([figures[path].axeViolations, paint.cls <= 0.1]).toEqual([0, true]);
  });
}

for (const path of CONSOLE_PAGES) {
  test(`figures of ${path}`, async () => {
    figures[path] = await look(operator, path);
    expect(figures[path].axeViolations).toBe(0);
  });
}

async function look(page: Page, path: string): Promise<Figures> {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  const scripts = new Set<string>();
  let scriptBytes = 0;
  session.on("Network.responseReceived", ({ requestId, type }) => type === "Script" && scripts.add(requestId));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) scriptBytes += encodedDataLength;
  });
  await page.goto(path, { waitUntil: "load" });
  await expect(page.locator("h1").first()).toBeVisible();
  await page.waitForTimeout(800);
  const { violations } = await new AxeBuilder({ page }).withTags(STANDARDS).analyze();
  await session.detach();
  return { axeViolations: violations.length, scriptBytes };
}
