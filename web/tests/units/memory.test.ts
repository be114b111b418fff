import { mkdtempSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BoundedMap } from "@/lib/server/bounded-map";
import type { Recommendation } from "@/lib/server/gateway";
import { Memory } from "@/lib/server/memory";

const folder = () => mkdtempSync(join(tmpdir(), "evershelf-memory-"));
const list = (itemId: string) => ({ recommendation_id: "r", items: [{ item_id: itemId, item: { item_id: itemId, title: `The ${itemId}` } }] }) as unknown as Recommendation;

test("what was remembered is there after a restart", () => {
  const place = folder();
  const before = new Memory(place, () => 1_000);
  before.rememberList("home", list("mug"));
  before.rememberPage("categories", ["home"]);
  before.write();
  const after = new Memory(place);
  expect(after.list("home")).toEqual({ value: list("mug"), atMs: 1_000 });
  expect(after.item("mug")?.title).toBe("The mug");
  expect(after.page("categories")?.value).toEqual(["home"]);
});

test("the file is its owner's only, and no draft is left", () => {
  const place = folder();
  const memory = new Memory(place);
  memory.rememberList("home", list("mug"));
  memory.write();
  expect(readdirSync(place)).toEqual(["last.json"]);
  expect(statSync(join(place, "last.json")).mode & 0o777).toBe(0o600);
});

test.each(["", "{", '{"lists": 3}', "[]"])("a damaged file means that nothing is remembered: %s", (text) => {
  const place = folder();
  writeFileSync(join(place, "last.json"), text);
  expect(new Memory(place).list("home")).toBeUndefined();
});

test("a bounded map forgets what was used least recently", () => {
  const map = new BoundedMap<number>(2);
  map.set("one", 1);
  map.set("two", 2);
  map.get("one");
  map.set("three", 3);
  expect([map.get("one"), map.get("two"), map.get("three"), map.size]).toEqual([1, undefined, 3, 2]);
});
