import { expect, test } from "vitest";
import { lastedOver, lonePlaces } from "@/lib/console/plot";

test("a limit lasts over the gaps between its moments", () => {
  expect(lastedOver([null, 150, null, 200, null])).toEqual([150, 150, 150, 200, 200]);
  expect(lastedOver([null, null])).toEqual([null, null]);
});

test("values without a neighbour are told apart", () => {
  expect(lonePlaces([1, null, 2, 3, null, null, 4])).toEqual([0, 6]);
  expect(lonePlaces([null, undefined])).toEqual([]);
});
