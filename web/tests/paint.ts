/** How soon a page shows its largest part, and how much it moves: as the browser itself measures it. */

import type { Browser } from "@playwright/test";

export interface Paint {
  readonly lcpMs: number;
  readonly cls: number;
  readonly firstByteMs: number;
}

const SETTLE_MS = 1_500;

export async function measurePaint(browser: Browser, path: string): Promise<Paint> {
  const page = await browser.newPage();
  await page.addInitScript(() => {
    const seen = { lcpMs: 0, cls: 0 };
    Object.assign(window, { seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) seen.lcpMs = entry.startTime;
    }).observe({ type: "largest-contentful-paint", buffered: true });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as unknown as { value: number; hadRecentInput: boolean }[]) if (!entry.hadRecentInput) seen.cls += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(path, { waitUntil: "networkidle" });
  await page.waitForTimeout(SETTLE_MS);
  const paint = await page.evaluate(() => {
    const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
    return { ...(window as unknown as { seen: { lcpMs: number; cls: number } }).seen, firstByteMs: navigation?.responseStart ?? 0 };
  });
  await page.close();
  return paint;
}
