import { expect, test } from "vitest";
import { crumbs } from "@/lib/categories";
import { doorAddress } from "@/lib/console/api";
import { asCurl } from "@/lib/console/curl";
import { formatMs, formatShare } from "@/lib/console/figures";
import { firstStep, stacked } from "@/lib/console/plot";
import { readSettings } from "@/lib/server/settings";
import { formatAgo, formatSpan } from "@/lib/times";

test.each([[0, "0 s"], [59.4, "59 s"], [61, "1 min"], [3_600, "1 h"], [3_780, "1 h 3 min"], [183_000, "2 d 2 h"]])("%d seconds are %s", (seconds, words) => {
  expect(formatSpan(seconds)).toBe(words);
});

test("what is hardly ago is just now", () => {
  expect([formatAgo(1_000, 1_400), formatAgo(0, 42_000)]).toEqual(["just now", "42 s ago"]);
});

test.each([[1, "100 %"], [0.99972, "99.97 %"], [0.383, "38.3 %"], [0.0034, "0.34 %"], [null, "–"]])("a share of %d is %s", (share, words) => {
  expect(formatShare(share).replace("\u00a0", " ")).toBe(words);
});

test("milliseconds lose their parts where they are many", () => {
  expect([formatMs(4.24), formatMs(127.4), formatMs(null)].map((text) => text.replace("\u00a0", " "))).toEqual(["4.2 ms", "127 ms", "–"]);
});

test("a stack adds up, and gaps are nothing", () => {
  const series = (values: (number | null)[]) => ({ name: "", colour: "", values });
  expect(stacked([series([1, null]), series([2, 3])])).toEqual([[1, 0], [3, 3]]);
});

test("what lies before the gateway began is not drawn", () => {
  const times_s = Array.from({ length: 20 }, (_, step) => step * 10);
  expect(firstStep({ times_s, began_s: 55, step_s: 10 })).toBe(5);
  expect(firstStep({ times_s, began_s: 185, step_s: 10 })).toBe(12);
  expect(firstStep({ times_s, began_s: 9_999, step_s: 10 })).toBe(0);
});

test("an address is filled in, and nothing in it can leave its part", () => {
  expect(doorAddress("/v1/admin/users/{user_id}", { user_id: "a/../b?c", placement: "home", none: "" })).toBe("/api/console/users/a%2F..%2Fb%3Fc?placement=home");
});

test("a question becomes a command, quotes and all", () => {
  const command = asCurl({ request: { placement: "home", user_id: "o'hara", context_items: [], exclude: [] }, decision: { deadline_ms: 150 } } as unknown as Parameters<typeof asCurl>[0]);
  expect(command).toContain(String.raw`{"placement":"home","user_id":"o'\''hara"}`);
  expect(command).toContain("X-Request-Deadline-Ms: 150");
  expect(command).not.toMatch(/evs_/);
});

test("a category path is a way down", () => {
  expect(crumbs("home/coffee-makers")).toEqual([{ path: "home", name: "Home" }, { path: "home/coffee-makers", name: "Coffee makers" }]);
});

test("shoppers come with their words", () => {
  expect(readSettings({ EVERSHELF_WEB_SHOPPERS: " u1=trade, u2 ,,", EVERSHELF_WEB_GATEWAY_URL: "http://g/" })).toMatchObject({
    gatewayUrl: "http://g",
    shoppers: [{ id: "u1", label: "trade" }, { id: "u2", label: "" }],
  });
});
