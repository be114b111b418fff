/** The only module that talks to the gateway. Every call has a time limit; every failure is a `GatewayTrouble`. */

import "server-only";

import type { components, paths } from "@/lib/gateway-types";
import { readSettings } from "./settings";

export type Recommendation = components["schemas"]["Recommendation"];
export type RecommendationRequest = components["schemas"]["RecommendationRequest"];
export type RecommendedItem = components["schemas"]["RecommendedItem"];
export type Item = components["schemas"]["Item"];

/** A shelf waits no longer than this; the gateway's own deadline is far below. */
export const SHELF_TIMEOUT_MS = 400;
export const PAGE_TIMEOUT_MS = 1_000;
export const EVENTS_TIMEOUT_MS = 3_000;
export const ADMIN_TIMEOUT_MS = 20_000;

const CATALOG_PAGE = 36;

export type Trouble = "unreachable" | "timeout" | "refused" | "invalid";

export class GatewayTrouble extends Error {
  constructor(
    readonly kind: Trouble,
    readonly status: number | null,
    message: string,
  ) {
    super(message);
    this.name = "GatewayTrouble";
  }
}

export async function recommend(question: Partial<RecommendationRequest>): Promise<Recommendation> {
  const answer = await call<Recommendation>("/v1/recommendations", { body: question, timeoutMs: SHELF_TIMEOUT_MS });
  if (!Array.isArray(answer.items)) throw new GatewayTrouble("invalid", 200, "an answer without items");
  return answer;
}

export async function popular(category: string | null, k: number): Promise<Recommendation> {
  const query = new URLSearchParams({ k: String(k), ...(category ? { category } : {}) });
  return call<Recommendation>(`/v1/popular?${query}`, { timeoutMs: SHELF_TIMEOUT_MS });
}

export interface Category {
  readonly path: string;
  readonly name: string;
  readonly depth: number;
  readonly items: number;
}

export async function catalogCategories(): Promise<{ categories: Category[] }> {
  return call("/v1/catalog/categories", { timeoutMs: SHELF_TIMEOUT_MS });
}

interface CatalogPage {
  items: Item[];
  next_after: string | null;
  note: string | null;
}

export async function browseCatalog(query: { category?: string; q?: string; after?: string }): Promise<CatalogPage> {
  const given = Object.entries(query).filter(([, value]) => value);
  const parameters = new URLSearchParams([...given, ["limit", String(CATALOG_PAGE)]]);
  return call(`/v1/catalog/items?${parameters}`, { timeoutMs: PAGE_TIMEOUT_MS });
}

export async function catalogItem(itemId: string): Promise<{ item: Item; available: boolean }> {
  return call(`/v1/catalog/items/${encodeURIComponent(itemId)}`, { timeoutMs: PAGE_TIMEOUT_MS });
}

export interface ReportedEvent {
  event_id: string;
  user_id?: string;
  session_id?: string;
  item_id: string;
  event_type: string;
  occurred_at: string;
  value?: number;
  placement?: string;
  recommendation_id?: string;
}

export async function sendEvents(events: readonly ReportedEvent[]): Promise<void> {
  await call("/v1/events", { body: { events }, timeoutMs: EVENTS_TIMEOUT_MS });
}

/** Passes a console's request on with the console's key; the reply comes back as it is. */
export async function forwardToAdmin(path: string, method: string, body: string | null): Promise<Response> {
  return send(path, {
    method,
    headers: { "Content-Type": "application/json", ...authorization(readSettings().adminKey) },
    body,
    signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS),
  });
}

type Method = "get" | "put" | "post" | "delete";
/** Paths that the console may ask for; the door checks requests against this list's prefixes. */
export type AdminPath = Extract<keyof paths, `/v1/admin/${string}`>;
export type AdminMethod = Method;

interface Call {
  readonly body?: unknown;
  readonly timeoutMs: number;
}

async function call<T>(path: string, { body, timeoutMs }: Call): Promise<T> {
  const response = await send(path, {
    method: body === undefined ? "GET" : "POST",
    headers: { "Content-Type": "application/json", ...authorization(readSettings().shopKey) },
    body: body === undefined ? null : JSON.stringify(body),
    // The limit holds for the body as well: a reply that trickles is no reply.
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) {
    throw new GatewayTrouble("refused", response.status, `the gateway answered ${response.status} to ${path}`);
  }
  try {
    return (await response.json()) as T;
  } catch (error) {
    throw asTrouble(error, "invalid");
  }
}

async function send(path: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(readSettings().gatewayUrl + path, { ...request, cache: "no-store", redirect: "error" });
  } catch (error) {
    throw asTrouble(error, "unreachable");
  }
}

function asTrouble(error: unknown, otherwise: Trouble): GatewayTrouble {
  const name = error instanceof Error ? error.name : "";
  const kind = name === "TimeoutError" || name === "AbortError" ? "timeout" : otherwise;
  return new GatewayTrouble(kind, null, error instanceof Error ? error.message : String(error));
}

function authorization(key: string): Record<string, string> {
  return key ? { Authorization: `Bearer ${key}` } : {};
}
