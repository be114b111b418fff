/** What the browser journeys share: logging in, switching shoppers, axe, and pictures for the curious. */

import AxeBuilder from "@axe-core/playwright";
import { expect, type BrowserContext, type Locator, type Page } from "@playwright/test";

export const KNOWN_USER = process.env.EVERSHELF_TEST_USER ?? "user-0107";
const PASSWORD = process.env.EVERSHELF_TEST_PASSWORD ?? "";
export const STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export async function expectAccessible(page: Page, name: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).withTags(STANDARDS).analyze();
  const told = violations.map(({ id, nodes }) => `${name}: ${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(" ")} ${failureSummary}`).join(" | ")}`);
  expect(told).toEqual([]);
}

export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `screenshots/${name}.png` });
}

export async function logIn(page: Page, path = "/console"): Promise<void> {
  await page.goto(path);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: "Log in" }).click();
  await expect(page.getByRole("navigation", { name: "Console" })).toBeVisible();
}

export async function prefer(page: Page, choice: Record<string, string>): Promise<void> {
  const { hostname } = new URL(page.url());
  const names: Record<string, string> = { explain: "evershelf_explain", shopper: "evershelf_shopper", theme: "evershelf_theme" };
  await page.context().addCookies(Object.entries(choice).map(([name, value]) => ({ name: names[name] ?? name, value, domain: hostname, path: "/" })));
}

export function shelf(page: Page, placement: string): Locator {
  return page.getByTestId(`shelf-${placement}`);
}

export function cards(place: Locator): Locator {
  return place.locator("li[data-item-id]");
}

export async function itemIds(place: Locator): Promise<string[]> {
  return cards(place).evaluateAll((found) => found.map((card) => (card as HTMLElement).dataset.itemId ?? ""));
}

/** Waits until what the page reports has been stored. */
export function reported(page: Page, eventType: string): Promise<unknown> {
  return page.waitForResponse((response) => response.url().includes("/api/events?") && response.url().includes(eventType) && response.status() === 204);
}

export async function isFocusVisible(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const focused = document.activeElement;
    if (!focused || focused === document.body) return false;
    const looks = [getComputedStyle(focused), getComputedStyle(focused, "::after")];
    return looks.some((look) => look.outlineStyle !== "none" && Number.parseFloat(look.outlineWidth) >= 2);
  });
}

export async function dark(context: BrowserContext, page: Page): Promise<void> {
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(() => page.evaluate(() => getComputedStyle(document.body).backgroundColor)).not.toBe("rgb(250, 249, 247)");
  void context;
}
