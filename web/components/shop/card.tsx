/** One place on a shelf or in a listing. Every part has a fixed height, so that nothing moves when lists change. */

import Link from "next/link";
import { formatPrice } from "@/lib/money";
import { reasonInWords, sourceColour, sourceName } from "@/lib/sources";
import type { Item, RecommendedItem } from "@/lib/server/gateway";
import { Picture } from "./picture";

export interface Origin {
  readonly recommendationId: string;
  readonly placement: string;
}

export function Card({
  item,
  origin,
  eager = false,
  heading: Heading = "h3",
  children,
}: {
  item: Item;
  /** Its level on the page: below a shelf's heading, or right below the page's. */
  heading?: "h2" | "h3";
  origin?: Origin;
  eager?: boolean;
  children?: React.ReactNode;
}) {
  return (
    <li data-item-id={item.item_id} className="group relative min-w-0">
      <Picture item={item} eager={eager} className="transition-opacity group-hover:opacity-90" />
      <Heading className="mt-2 line-clamp-2 h-10 text-sm leading-5">
        <Link
          href={itemAddress(item.item_id, origin)}
          prefetch={false}
          className="after:absolute after:inset-0 after:rounded-lg hover:underline focus-visible:outline-none focus-visible:after:outline-2 focus-visible:after:outline-offset-2 focus-visible:after:outline-accent"
        >
          {item.title || item.item_id}
        </Link>
      </Heading>
      <p className="h-6 text-sm leading-6 font-medium tabular-nums">{formatPrice(item.price, item.currency)}</p>
      {children}
    </li>
  );
}

/** Why this item stands here: its source, its reason, and what of the shopper's history led to it. */
export function CardExplanation({ entry, titles }: { entry: RecommendedItem; titles: ReadonlyMap<string, string> }) {
  const because = entry.because.map(({ item_id }) => titles.get(item_id) ?? item_id);
  return (
    <div className="relative mt-1 h-28 overflow-hidden rounded-md border bg-surface px-2 py-1.5 text-xs leading-4" data-testid="explanation">
      <p className="flex items-center gap-1.5 font-medium">
        <span aria-hidden="true" className="size-2 shrink-0 rounded-full" style={{ background: sourceColour(entry.source) }} />
        {sourceName(entry.source)}
        <span className="ml-auto text-muted tabular-nums">{entry.score.toFixed(2)}</span>
      </p>
      <p className="mt-0.5 line-clamp-2 text-muted">{reasonInWords(entry.reason)}</p>
      {because.length > 0 && (
        <p className="mt-0.5 line-clamp-3" title={because.join(" · ")}>
          because you viewed <span className="font-medium">{because[0]}</span>
          {because.length > 1 && ` and ${because.length - 1} more`}
        </p>
      )}
    </div>
  );
}

/** Room for one card, of exactly its height. */
export function CardSkeleton({ withExplanation }: { withExplanation: boolean }) {
  return (
    <li aria-hidden="true" className="min-w-0 animate-pulse">
      <div className="aspect-square w-full rounded-lg bg-sunken" />
      <div className="mt-2 h-10">
        <div className="h-4 w-5/6 rounded bg-sunken" />
      </div>
      <div className="h-6">
        <div className="h-4 w-1/3 rounded bg-sunken" />
      </div>
      {withExplanation && <div className="mt-1 h-28 rounded-md bg-sunken" />}
    </li>
  );
}

export function itemAddress(itemId: string, origin?: Origin): string {
  const path = `/item/${encodeURIComponent(itemId)}`;
  if (!origin) return path;
  return `${path}?${new URLSearchParams({ rec: origin.recommendationId, at: origin.placement })}`;
}

export const GRID = "grid grid-cols-2 gap-x-4 gap-y-6 sm:grid-cols-3 lg:grid-cols-5";
