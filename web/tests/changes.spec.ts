import { expect, test, type Page } from "@playwright/test";
import { logIn, picture } from "./walking";

test.describe.configure({ mode: "serial" });

let page: Page;

test.beforeAll(async ({ browser }) => {
  page = await (await browser.newContext()).newPage();
  await logIn(page);
});

test.afterAll(() => page.close());

async function confirm(word: string, action: string): Promise<void> {
  const dialog = page.getByRole("dialog");
  const button = dialog.getByRole("button", { name: action });
  await expect(button).toBeDisabled();
  await dialog.getByLabel(/^Why/).fill("a browser test");
  await expect(button).toBeDisabled();
  await dialog.getByLabel(/^Type/).fill(word);
  await button.click();
  await expect(dialog).toBeHidden();
}

test("promote a version, then roll back", async () => {
  await page.goto("/console/models");
  const versions = page.getByRole("region", { name: "Model versions" });
  const rows = versions.getByRole("row").filter({ has: page.getByRole("cell") });
  const champion = async () => (await rows.filter({ hasText: "champion" }).getByRole("button").first().textContent()) ?? "";
  await expect(versions.getByRole("row")).toHaveCount(3);
  const before = await champion();
  const other = rows.filter({ hasNotText: "champion" });
  const version = (await other.getByRole("button").first().textContent()) ?? "";
  await other.getByRole("button").first().click();
  await page.getByTestId("version-view").getByRole("button", { name: "Promote" }).click();
  const hasFailed = await page.getByRole("dialog").getByText("failed the gate").isVisible();
  await picture(page, "console-promote");
  await confirm(hasFailed ? "despite the gate" : "promote", "Promote");
  await expect.poll(champion).toBe(version);
  await page.getByRole("button", { name: "Roll back" }).click();
  await confirm("roll back", "Roll back");
  await expect.poll(champion).toBe(before);
});

test("suppress an item: it leaves the shop; let it back", async () => {
  await page.goto("/console/items?q=lamp");
  const row = page.getByRole("region", { name: "Items", exact: true }).getByRole("row").filter({ hasText: "may be shown" }).first();
  await row.getByRole("button").click();
  const itemId = new URL(await page.evaluate(() => location.href)).searchParams.get("item") ?? (await waitForItem());
  const view = page.getByTestId("item-view");
  await view.getByLabel(/^Reason/).fill("a browser test");
  await view.getByRole("button", { name: "Suppress everywhere" }).click();
  await expect(view.getByRole("button", { name: "Let it back on the shelves" })).toBeVisible();
  await expect.poll(async () => (await page.request.get(`/item/${itemId}`)).status()).toBe(404);
  await view.getByRole("button", { name: "Let it back on the shelves" }).click();
  await expect.poll(async () => (await page.request.get(`/item/${itemId}`)).status()).toBe(200);
});

async function waitForItem(): Promise<string> {
  await page.waitForURL(/item=/);
  return new URL(page.url()).searchParams.get("item") ?? "";
}

test("edit a placement, with a preview before it is saved", async () => {
  await page.goto("/console/placements?name=home");
  const editor = page.getByTestId("placement-editor");
  await editor.getByLabel("k, items").fill("7");
  await editor.getByRole("button", { name: "Preview" }).click();
  await expect(editor.locator("section", { hasText: "As edited" }).locator("ol > li")).toHaveCount(7);
  await expect(editor.locator("section", { hasText: "In force now" }).locator("ol > li")).toHaveCount(10);
  await picture(page, "console-placement");
  await editor.getByRole("button", { name: "Save" }).click();
  const row = page.getByRole("region", { name: "Placements" }).getByRole("row").filter({ hasText: "home" });
  await expect(row.getByRole("cell").nth(2)).toHaveText("7");
  await page.getByTestId("placement-editor").getByLabel("k, items").fill("10");
  await page.getByTestId("placement-editor").getByRole("button", { name: "Save" }).click();
  await expect(row.getByRole("cell").nth(2)).toHaveText("10");
});

test("make a key and revoke it", async () => {
  await page.goto("/console/keys");
  await page.getByLabel("Name: who uses it").fill("a browser test");
  await page.getByRole("button", { name: "Make" }).click();
  await expect(page.getByText("Copy it now")).toBeVisible();
  await page.getByRole("button", { name: "Revoke a browser test" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByRole("region", { name: "Keys" }).getByRole("row").filter({ hasText: "a browser test" })).toContainText("revoked");
});

test("rotate a key, and end the old one early", async () => {
  await page.goto("/console/keys");
  await page.getByLabel("Name: who uses it").fill("a shop that rotates");
  await page.getByLabel("Requests a second").fill("50");
  await page.getByRole("button", { name: "Make" }).click();
  await page.getByRole("button", { name: "Rotate a shop that rotates" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("The old key still holds for").selectOption("a week");
  await dialog.getByRole("button", { name: "Rotate" }).click();
  await expect(dialog.getByText("Copy it now")).toBeVisible();
  await dialog.getByRole("button", { name: "Close" }).click();
  const rows = page.getByRole("region", { name: "Keys" }).getByRole("row").filter({ hasText: "a shop that rotates" });
  await expect(rows).toHaveCount(2);
  const old = rows.filter({ hasText: "rotated, ends" });
  await expect(old).toContainText("50");
  await old.getByRole("button", { name: "Revoke" }).click();
  await dialog.getByRole("button", { name: "Revoke" }).click();
  await expect(rows.filter({ hasText: "revoked" })).toHaveCount(1);
  await expect(rows.filter({ hasNotText: "revoked" }).getByRole("button", { name: "Rotate a shop that rotates" })).toBeVisible();
});

test("the audit log knows of all of it", async () => {
  await page.goto("/console/audit");
  const log = page.getByRole("region", { name: "Audit log" });
  for (const what of ["promote", "roll", "suppress", "placement", "key"]) await expect(log).toContainText(new RegExp(what, "i"));
});
