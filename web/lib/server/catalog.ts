/** Items and categories for the shop's pages; when the gateway is away, what was last seen of them. */

import "server-only";

import { browseCatalog, catalogCategories, catalogItem, GatewayTrouble, type Category, type Item, type Trouble } from "./gateway";
import { memory } from "./memory";

const CATEGORIES_KEY = "categories";
const CATEGORIES_AGE_MS_MAX = 60_000;
const TITLES_MAX = 30;

export interface Listing {
  readonly items: readonly Item[];
  readonly nextAfter: string | null;
  readonly note: string | null;
  /** Seconds since this was read, where it was not read just now. */
  readonly ageS: number | null;
  readonly trouble: Trouble | null;
}

export interface FoundItem {
  readonly item: Item | null;
  /** The gateway says that there is no such item. */
  readonly isUnknown: boolean;
  readonly isAvailable: boolean;
  readonly trouble: Trouble | null;
}

export function knownItem(itemId: string): Item | undefined {
  return memory().item(itemId);
}

export async function findItem(itemId: string): Promise<FoundItem> {
  try {
    const found = await catalogItem(itemId);
    memory().rememberItem(found.item);
    return { item: found.item, isUnknown: false, isAvailable: found.available, trouble: null };
  } catch (error) {
    if (!(error instanceof GatewayTrouble)) throw error;
    if (error.status === 404) return { item: null, isUnknown: true, isAvailable: false, trouble: null };
    return { item: knownItem(itemId) ?? null, isUnknown: false, isAvailable: true, trouble: error.kind };
  }
}

/** Top categories first seen now or lately; never throws. */
export async function listCategories(): Promise<readonly Category[]> {
  const kept = memory().page<Category[]>(CATEGORIES_KEY);
  if (kept && Date.now() - kept.atMs < CATEGORIES_AGE_MS_MAX) return kept.value;
  try {
    const { categories } = await catalogCategories();
    memory().rememberPage(CATEGORIES_KEY, categories);
    return categories;
  } catch (error) {
    if (!(error instanceof GatewayTrouble)) throw error;
    return kept?.value ?? [];
  }
}

export async function listItems(query: { category?: string; q?: string; after?: string }): Promise<Listing> {
  const key = `items ${JSON.stringify([query.category, query.q, query.after])}`;
  try {
    const page = await browseCatalog(query);
    for (const item of page.items) memory().rememberItem(item);
    const listing = { items: page.items, nextAfter: page.next_after, note: page.note };
    memory().rememberPage(key, listing);
    return { ...listing, ageS: null, trouble: null };
  } catch (error) {
    if (!(error instanceof GatewayTrouble)) throw error;
    const kept = memory().page<Pick<Listing, "items" | "nextAfter" | "note">>(key);
    if (!kept) return { items: [], nextAfter: null, note: null, ageS: null, trouble: error.kind };
    return { ...kept.value, ageS: Math.round((Date.now() - kept.atMs) / 1_000), trouble: error.kind };
  }
}

/** Titles of items by id, as far as they are known or quickly found. */
export async function titlesOf(itemIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const wanted = [...new Set(itemIds)].slice(0, TITLES_MAX);
  const titles = await Promise.all(
    wanted.map(async (itemId): Promise<[string, string]> => {
      const item = knownItem(itemId) ?? (await findItem(itemId)).item;
      return [itemId, item?.title || itemId];
    }),
  );
  return new Map(titles);
}
