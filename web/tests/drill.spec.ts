import { expect, test } from "@playwright/test";
import { cards, KNOWN_USER, logIn, picture, prefer, shelf } from "./walking";

test("a drill takes inference away; the shelves stay full and say why", async ({ page, context }) => {
  await logIn(page, "/console/drills");
  const shop = await context.newPage();
  await shop.goto("/");
  await prefer(shop, { explain: "1", shopper: KNOWN_USER });
  const why = shelf(shop, "home").getByTestId("shelf-explanation");
  await expect(async () => {
    await shop.reload();
    await expect(why).toContainText("Model", { timeout: 2_000 });
  }).toPass();

  await page.getByLabel("Share of requests, %").fill("100");
  await page.getByLabel("Longest, s").fill("120");
  await page.getByLabel("Why, for the audit log").fill("a browser test");
  await page.getByRole("button", { name: "Start the drill" }).click();
  await expect(page.getByRole("button", { name: "Stop now" })).toBeVisible();

  await expect(async () => {
    await shop.reload();
    await expect(why).toContainText(/model service/, { timeout: 2_000 });
  }).toPass();
  await expect(cards(shelf(shop, "home"))).toHaveCount(10);
  await expect(why).toContainText(/degraded\s*yes/);
  await picture(shop, "shop-during-drill");

  await page.getByRole("link", { name: "Watch" }).click();
  await expect(page.getByText("A drill is running.")).toBeVisible();
  await expect(page.getByText(/marks? in this range/)).toBeVisible();
  await picture(page, "console-drill");
  await page.goto("/console/drills");
  await page.getByRole("button", { name: "Stop now" }).click();
  const report = page.getByRole("region", { name: "Drill reports" }).getByRole("row").nth(1);
  await expect(report).toContainText("stopped");
  await report.getByRole("button").click();
  await expect(page.getByTestId("drill-tallies")).toContainText("Hit by the fault");
  await expect(async () => {
    await shop.reload();
    await expect(why).toContainText("Model", { timeout: 2_000 });
  }).toPass({ timeout: 60_000 });
});
