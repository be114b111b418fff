/** Reports from the page to the shop's own server, by beacon: they leave even when the page is being left. */

import type { Happening } from "@/lib/server/events";

const DOOR = "/api/events";

/** Whether the browser took the report. */
export function sendBeacon(events: readonly Happening[]): boolean {
  if (events.length === 0) return true;
  try {
    const types = [...new Set(events.map((event) => event.event_type))].join(","); // for whoever reads a network log
    return navigator.sendBeacon(`${DOOR}?types=${types}`, new Blob([JSON.stringify({ events })], { type: "application/json" }));
  } catch {
    return false;
  }
}
