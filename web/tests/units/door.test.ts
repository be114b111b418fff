import { NextRequest } from "next/server";
import { expect, test } from "vitest";
import { isOwnOrigin } from "@/lib/server/door";

const asked = (headers: Record<string, string>) => new NextRequest("http://shop.example/api/cart", { method: "POST", headers: { host: "shop.example", ...headers } });

test("only a page of this host posts here", () => {
  expect(isOwnOrigin(asked({ origin: "http://shop.example" }))).toBe(true);
  expect(isOwnOrigin(asked({ origin: "http://elsewhere.example" }))).toBe(false);
  expect(isOwnOrigin(asked({ "sec-fetch-site": "cross-site", origin: "http://shop.example" }))).toBe(false);
});

test("a page without an origin, or with nonsense for one, is nobody's", () => {
  for (const origin of ["null", "", "not an address"]) expect(isOwnOrigin(asked({ origin }))).toBe(false);
  expect(isOwnOrigin(asked({}))).toBe(false);
});
