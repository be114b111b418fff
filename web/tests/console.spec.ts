import { expect, test, type Page } from "@playwright/test";
import { expectAccessible, isFocusVisible, KNOWN_USER, logIn, picture } from "./walking";

const GATEWAY = process.env.EVERSHELF_TEST_GATEWAY_URL ?? "";
const KEY = process.env.EVERSHELF_TEST_KEY ?? "";

test.describe.configure({ mode: "default" });

let page: Page;

test.beforeAll(async ({ browser }) => {
  page = await (await browser.newContext()).newPage();
  await logIn(page);
});

test.afterAll(() => page.close());

test("the door is shut without the password", async ({ browser }) => {
  const context = await browser.newContext();
  const stranger = await context.newPage();
  await stranger.goto("/console/models");
  await expect(stranger.getByLabel("Password")).toBeVisible();
  await expectAccessible(stranger, "login");
  await stranger.getByLabel("Password").fill("not the password at all");
  await stranger.getByRole("button", { name: "Log in" }).click();
  await expect(stranger.getByText("That is not the password.")).toBeVisible();
  expect((await stranger.request.get("/api/console/overview")).status()).toBe(401);
  await context.addCookies([{ name: "evershelf_console", value: "9999999999.forged", url: stranger.url() }]);
  expect((await stranger.request.get("/api/console/keys")).status()).toBe(401);
  await context.close();
});

test("the session cookie is kept from scripts", async () => {
  const session = (await page.context().cookies()).find(({ name }) => name === "evershelf_console");
  expect(session?.httpOnly).toBe(true);
  expect(session?.sameSite).toBe("Strict");
  expect(await page.evaluate(() => document.cookie)).not.toContain("evershelf_console");
});

test("overview: the answers that were given", async () => {
  await page.goto("/console?range=900");
  await expect(page.getByText("Valid and in time")).toBeVisible();
  await expect(page.getByRole("img", { name: /^Answers by source/ }).locator("canvas")).toBeVisible();
  const answers = page.locator("dl > div", { hasText: "Answers" }).locator("dd").first();
  expect(Number((await answers.textContent())?.replaceAll(",", ""))).toBeGreaterThan(5);
  await page.getByRole("button", { name: "Table of Answers by source" }).click();
  await expect(page.getByRole("region", { name: "Answers by source, as a table" }).getByRole("row")).not.toHaveCount(0);
  await expectAccessible(page, "overview");
  await picture(page, "console-overview");
});

test("resilience: lanes, ladder, budgets", async () => {
  await page.goto("/console/resilience?range=900");
  await expect(page.getByRole("img", { name: /postgresql is up/ })).toBeVisible();
  await expect(page.getByRole("region", { name: "The ladder" })).toContainText("within the hour");
  await expect(page.getByText("A p99 request")).toBeVisible();
  await expect(page.getByRole("region", { name: "Dependencies now" })).toContainText("inference");
  await expectAccessible(page, "resilience");
  await picture(page, "console-resilience");
});

test("data health: what the shoppers' browsers sent", async () => {
  await page.goto("/console/data?range=900");
  await expect(page.getByLabel("Series of Events by type")).toContainText("view item list");
  await expect(page.getByText("Lateness", { exact: true }).first()).toBeVisible();
  await expectAccessible(page, "data health");
  await picture(page, "console-data");
});

test("explain: one answer, taken apart, asked again, copied", async () => {
  const id = await askTheModel(page);
  await page.goto("/console/explain");
  await page.getByLabel("Recommendation id").fill(id);
  await page.getByRole("button", { name: "Find" }).click();
  await expect(page).toHaveURL(new RegExp(id));
  const view = page.getByTestId("explanation-view");
  await expect(view.getByRole("region", { name: "The list as it was answered" }).getByRole("row")).toHaveCount(11);
  await expect(view.getByRole("region", { name: "Candidates" })).toContainText("place 1");
  await view.getByRole("button", { name: "Copy as curl" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain(`"user_id":"${KNOWN_USER}"`);
  await view.getByRole("button", { name: "Ask again now" }).click();
  await expect(view.getByRole("region", { name: "Places then and now" })).toBeVisible();
  await expectAccessible(page, "explain");
  await picture(page, "console-explain");
});

/** The id of an answer that the model gave, with time enough for it on a loaded machine. */
async function askTheModel(asker: Page): Promise<string> {
  const headers = { Authorization: `Bearer ${KEY}`, "X-Request-Deadline-Ms": "2000" };
  let id = "";
  await expect(async () => {
    const asked = await asker.request.get(`${GATEWAY}/v1/recommendations?placement=home&user_id=${KNOWN_USER}`, { headers });
    const answer = (await asked.json()) as { recommendation_id: string; source: string };
    expect(answer.source).toBe("model");
    id = answer.recommendation_id;
  }).toPass();
  return id;
}

test("items: neighbours, and who was shown it", async () => {
  await page.goto("/console/items?q=mug");
  const row = page.getByRole("region", { name: "Items", exact: true }).getByRole("row").filter({ hasText: "may be shown" }).first();
  await row.getByRole("button").click();
  await expect(page.getByTestId("item-view").getByRole("region", { name: "Goes with" }).getByRole("row").nth(1)).toBeVisible();
  await expectAccessible(page, "items");
  await picture(page, "console-items");
});

test("users: history, and what they would see now", async () => {
  await page.goto(`/console/users?prefix=user-&user=${KNOWN_USER}`);
  const view = page.getByTestId("user-view");
  await expect(view.getByRole("region", { name: "History" }).getByRole("row").nth(1)).toBeVisible();
  await expect(view.locator("ol img")).toHaveCount(10);
  await expectAccessible(page, "users");
  await picture(page, "console-users");
});

for (const [path, region] of [["models", "Model versions"], ["placements", "Placements"], ["keys", "Keys"], ["settings", "Settings of the gateway"], ["audit", "Audit log"]] as const) {
  test(`${path}: what is there`, async () => {
    await page.goto(`/console/${path}`);
    await expect(page.getByRole("region", { name: region, exact: true }).getByRole("row").nth(1)).toBeVisible();
    await expectAccessible(page, path);
    await picture(page, `console-${path}`);
  });
}

test("drills: nothing yet, and what to do", async () => {
  await page.goto("/console/drills");
  await expect(page.getByRole("form", { name: "Run a drill" })).toBeVisible();
  await expectAccessible(page, "drills");
});

test("Cmd-K finds pages and ids; the address keeps the view", async () => {
  await page.goto("/console?range=21600&live=0");
  await expect(page.getByRole("button", { name: "Live" })).toHaveAttribute("aria-pressed", "false");
  await openMenu();
  await page.getByRole("combobox", { name: /recommendation id/ }).fill("resil");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/console\/resilience\?range=21600&live=0/);
  await openMenu();
  await expectAccessible(page, "command menu");
  await page.getByRole("combobox", { name: /recommendation id/ }).fill(KNOWN_USER);
  await page.getByRole("option", { name: new RegExp(`^User ${KNOWN_USER}`) }).click();
  await expect(page).toHaveURL(new RegExp(`user=${KNOWN_USER}`));
});

/** By its keys, again where the page did not listen yet. */
async function openMenu(): Promise<void> {
  const menu = page.getByRole("combobox", { name: /recommendation id/ });
  await expect(async () => {
    if (!(await menu.isVisible())) await page.keyboard.press("Control+k");
    await expect(menu).toBeVisible({ timeout: 2_000 });
  }).toPass();
}

test("light, dark, and by keyboard", async () => {
  await page.goto("/console");
  await expect(async () => {
    await page.getByRole("button", { name: "Dark" }).click();
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(18, 19, 20)");
  }).toPass();
  await expect(page.getByText("Valid and in time")).toBeVisible();
  await expectAccessible(page, "overview in the dark");
  await picture(page, "console-dark");
  await page.reload();
  expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(18, 19, 20)");
  for (let step = 0; step < 6; step += 1) {
    await page.keyboard.press("Tab");
    expect(await isFocusVisible(page)).toBe(true);
  }
  await page.getByRole("button", { name: "As the system" }).click();
});
