import { expect, test } from "@playwright/test";
import { cards, expectAccessible, shelf } from "./walking";

test("a web process that starts alone still has a popular list", async ({ page }) => {
  await page.goto("/");
  await expect(cards(shelf(page, "home"))).toHaveCount(10);
  await expect(shelf(page, "home").getByTestId("shelf-status")).toContainText("What was popular");
  await expectAccessible(page, "home, alone");
  await page.goto("/console");
  await expect(page.getByLabel("Password")).toBeVisible();
});
