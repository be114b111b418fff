import { expect, test } from "@playwright/test";
import { cards, itemIds, logIn, picture, shelf } from "./walking";

const GATEWAY_PID = Number(process.env.EVERSHELF_TEST_GATEWAY_PID);

test("everything stopped but web: the last list is shown, and the console keeps what it read", async ({ page, context }) => {
  const shop = await context.newPage();
  await expect(async () => {
    await shop.goto("/"); // until this visitor has seen a list of their own, which a loaded machine may miss at first
    await expect(shelf(shop, "home").locator("[data-served-from=gateway]")).toBeVisible({ timeout: 3_000 });
  }).toPass();
  await expect(cards(shelf(shop, "home"))).toHaveCount(10);
  const before = await itemIds(shelf(shop, "home"));
  await logIn(page, "/console?range=900");
  await expect(page.getByText("Valid and in time")).toBeVisible();

  process.kill(GATEWAY_PID, "SIGKILL");

  await expect(page.getByText("The gateway cannot be reached.")).toBeVisible();
  await expect(page.getByText("Valid and in time")).toBeVisible();
  await picture(page, "console-alone");
  await shop.reload();
  await expect(shelf(shop, "home").getByTestId("shelf-status")).toContainText("The list you last saw here");
  expect(await itemIds(shelf(shop, "home"))).toEqual(before);
  await picture(shop, "shop-alone");
  await shop.goto(`/item/${before[0]}`);
  await expect(cards(shelf(shop, "item-page"))).toHaveCount(5);
});
