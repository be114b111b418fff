import { expect, test } from "vitest";
import { EVENTS_MAX, parseHappenings, uuid7 } from "@/lib/server/events";

const view = { event_type: "view_item", item_id: "mug" };

test("a report is read, and what a browser must not say is left out", () => {
  const told = parseHappenings({ events: [{ ...view, user_id: "somebody else", placement: "no such place!", recommendation_id: "x", value: Infinity }] });
  expect(told).toEqual([{ ...view, placement: undefined, recommendation_id: undefined, value: undefined }]);
});

test.each([null, {}, { events: [] }, { events: "all" }, { events: [{ ...view, event_type: "rate" }] }, { events: [{ event_type: "view_item" }] }, { events: Array(EVENTS_MAX + 1).fill(view) }])(
  "what is no report is refused: %j",
  (report) => {
    expect(parseHappenings(report)).toBeNull();
  },
);

test("ids are UUIDv7: in order of time, never the same", () => {
  const [early, late] = [uuid7(1_700_000_000_000), uuid7(1_700_000_000_001)];
  expect(early).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(early < late).toBe(true);
  expect(uuid7(1)).not.toBe(uuid7(1));
});
