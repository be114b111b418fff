/** A shelf for a page: the gateway's answer in time, else the last list this shopper saw, else the last popular one. */

import "server-only";

import { GatewayTrouble, popular, recommend, type Recommendation, type Trouble } from "./gateway";
import { memory } from "./memory";
import type { Visitor } from "./visitor";

const POPULAR_KEY = "popular";
const POPULAR_K = 12;
/** While the gateway answers, the popular list is read again when it is older than this. */
const POPULAR_AGE_MS_MAX = 60_000;
const WARM_MS_MAX = 2_000;
const WARM_AGAIN_MS = 1_000;

export interface ShelfQuestion {
  readonly placement: string;
  readonly visitor: Visitor;
  readonly contextItems?: readonly string[];
  readonly k?: number;
}

export type ServedFrom = "gateway" | "last_list" | "last_popular" | "nothing";

export interface ServedShelf {
  readonly from: ServedFrom;
  readonly answer: Recommendation | null;
  readonly trouble: Trouble | null;
  readonly ageS: number;
}

/** Never throws and never takes longer than the gateway module's limit for a shelf. */
export async function serveShelf(question: ShelfQuestion): Promise<ServedShelf> {
  try {
    const answer = await recommend({
      placement: question.placement,
      ...identity(question.visitor),
      context_items: [...(question.contextItems ?? [])],
      ...(question.k ? { k: question.k } : {}),
    });
    memory().rememberList(keyOf(question), answer);
    void keepPopular();
    return { from: "gateway", answer, trouble: null, ageS: 0 };
  } catch (error) {
    if (!(error instanceof GatewayTrouble)) console.error("shelf_failed", { error: String(error) });
    return lastKnown(question, error instanceof GatewayTrouble ? error.kind : "invalid");
  }
}

/** A new process learns the popular list before its first shopper comes; without a gateway it starts all the same, and goes on asking. */
export async function warm(): Promise<void> {
  const known = askUntilPopularIsKnown();
  await Promise.race([known, pause(WARM_MS_MAX)]);
}

async function askUntilPopularIsKnown(): Promise<void> {
  while (!memory().list(POPULAR_KEY)) {
    const { from } = await servePopular();
    if (from !== "gateway") await pause(WARM_AGAIN_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}

export async function servePopular(): Promise<ServedShelf> {
  try {
    const answer = await popular(null, POPULAR_K);
    memory().rememberList(POPULAR_KEY, answer);
    return { from: "gateway", answer, trouble: null, ageS: 0 };
  } catch (error) {
    const trouble = error instanceof GatewayTrouble ? error.kind : "invalid";
    const kept = memory().list(POPULAR_KEY);
    return kept ? told("last_popular", kept, trouble) : nothing(trouble);
  }
}

function lastKnown(question: ShelfQuestion, trouble: Trouble): ServedShelf {
  const own = memory().list(keyOf(question));
  if (own) return told("last_list", own, trouble);
  const kept = memory().list(POPULAR_KEY);
  return kept ? told("last_popular", kept, trouble) : nothing(trouble);
}

function told(from: ServedFrom, kept: { value: Recommendation; atMs: number }, trouble: Trouble): ServedShelf {
  return { from, answer: kept.value, trouble, ageS: Math.max(0, Math.round((Date.now() - kept.atMs) / 1_000)) };
}

function nothing(trouble: Trouble): ServedShelf {
  return { from: "nothing", answer: null, trouble, ageS: 0 };
}

async function keepPopular(): Promise<void> {
  const kept = memory().list(POPULAR_KEY);
  if (!kept || Date.now() - kept.atMs > POPULAR_AGE_MS_MAX) await servePopular();
}

function identity(visitor: Visitor): { user_id?: string; session_id: string } {
  return visitor.userId ? { user_id: visitor.userId, session_id: visitor.sessionId } : { session_id: visitor.sessionId };
}

function keyOf({ placement, visitor, contextItems }: ShelfQuestion): string {
  return JSON.stringify([placement, visitor.userId ?? visitor.sessionId, contextItems ?? []]);
}
