/** Events on their way to the gateway: the browser says what happened, the server says who, when and under which id. */

import "server-only";

import { randomBytes } from "node:crypto";
import { sendEvents, type ReportedEvent } from "./gateway";
import type { Visitor } from "./visitor";

export const EVENTS_MAX = 100;
const BROWSER_EVENT_TYPES = ["view_item_list", "select_item", "view_item", "add_to_cart", "remove_from_cart", "purchase"] as const;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NAME = /^[\w.:-]{1,64}$/;
const ITEM_ID_LENGTH_MAX = 128;

export type EventType = (typeof BROWSER_EVENT_TYPES)[number];

export interface Happening {
  readonly event_type: EventType;
  readonly item_id: string;
  readonly placement?: string | undefined;
  readonly recommendation_id?: string | undefined;
  readonly value?: number | undefined;
}

/** The happenings of a browser's report; null where the report is not one. Unknown fields and ids are left out. */
export function parseHappenings(report: unknown): Happening[] | null {
  if (typeof report !== "object" || report === null || !("events" in report)) return null;
  const { events } = report;
  if (!Array.isArray(events) || events.length === 0 || events.length > EVENTS_MAX) return null;
  const parsed = events.map(parseHappening);
  return parsed.every((happening) => happening !== null) ? parsed : null;
}

/** Hands the events to the gateway. Raises GatewayTrouble when they were not acknowledged. */
export async function report(visitor: Visitor, happenings: readonly Happening[]): Promise<void> {
  if (happenings.length === 0) return;
  const now = Date.now();
  const events = happenings.map(
    (happening): ReportedEvent => ({
      event_id: uuid7(now),
      ...(visitor.userId ? { user_id: visitor.userId } : {}),
      session_id: visitor.sessionId,
      item_id: happening.item_id,
      event_type: happening.event_type,
      occurred_at: new Date(now).toISOString(),
      ...(happening.placement ? { placement: happening.placement } : {}),
      ...(happening.recommendation_id ? { recommendation_id: happening.recommendation_id } : {}),
      ...(happening.value === undefined ? {} : { value: happening.value }),
    }),
  );
  await sendEvents(events);
}

function parseHappening(event: unknown): Happening | null {
  if (typeof event !== "object" || event === null) return null;
  const { event_type, item_id, placement, recommendation_id, value } = event as Record<string, unknown>;
  if (!BROWSER_EVENT_TYPES.includes(event_type as EventType)) return null;
  if (typeof item_id !== "string" || item_id.length === 0 || item_id.length > ITEM_ID_LENGTH_MAX) return null;
  return {
    event_type: event_type as EventType,
    item_id,
    placement: typeof placement === "string" && NAME.test(placement) ? placement : undefined,
    recommendation_id: asRecommendationId(recommendation_id) ?? undefined,
    value: typeof value === "number" && Number.isFinite(value) ? value : undefined,
  };
}

export function asRecommendationId(text: unknown): string | null {
  return typeof text === "string" && UUID.test(text) ? text : null;
}

/** UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds, then chance. */
export function uuid7(nowMs: number): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
