import { writeFileSync } from "node:fs";
import { expect, test } from "@playwright/test";
import { cards, expectAccessible, itemIds, KNOWN_USER, picture, prefer, shelf } from "./walking";
import { measurePaint } from "./paint";

test("without inference and PostgreSQL every page is full, and says why", async ({ page }) => {
  await page.goto("/");
  await prefer(page, { explain: "1", shopper: KNOWN_USER });
  await page.reload();
  await expect(cards(shelf(page, "home"))).toHaveCount(10);
  await expect(shelf(page, "home").getByTestId("shelf-explanation")).toContainText(/degraded\s*yes/);
  await picture(page, "shop-outage");
  const [first] = await itemIds(shelf(page, "home"));
  await page.goto(`/item/${first}`);
  await expect(cards(shelf(page, "item-page"))).toHaveCount(5);
  await page.getByRole("button", { name: "Add to cart" }).click();
  await expect(page.getByRole("status")).toHaveText("It is in your cart.");
  await page.goto("/cart");
  await expect(cards(shelf(page, "cart"))).toHaveCount(5);
  await page.goto("/search?q=mug");
  await expect(page.locator("li[data-item-id]").first()).toBeVisible();
  await expectAccessible(page, "search in an outage");
});

test("nothing moves while the page fills", async ({ browser }) => {
  const paint = await measurePaint(browser, "/");
  writeFileSync("screenshots/figures-outage.json", `${JSON.stringify(paint)}\n`);
  expect(paint.cls).toBeLessThanOrEqual(0.1);
  expect(paint.lcpMs).toBeGreaterThan(0);
});
