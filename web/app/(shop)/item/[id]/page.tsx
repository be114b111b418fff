import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { AddToCart } from "@/components/shop/add-to-cart";
import { Breadcrumbs } from "@/components/shop/breadcrumbs";
import { Picture } from "@/components/shop/picture";
import { Shelf } from "@/components/shop/shelf";
import { ReportView } from "@/components/shop/shelf-events";
import { crumbs } from "@/lib/categories";
import { formatPrice } from "@/lib/money";
import { findItem, knownItem } from "@/lib/server/catalog";
import { asRecommendationId } from "@/lib/server/events";
import type { Item } from "@/lib/server/gateway";
import { currentVisitor } from "@/lib/server/visitor";

interface Props {
  params: Promise<{ id: string }>;
  searchParams: Promise<{ rec?: string; at?: string }>;
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const itemId = decodeURIComponent((await params).id);
  return { title: knownItem(itemId)?.title || itemId };
}

export default async function ItemPage({ params, searchParams }: Props) {
  const itemId = decodeURIComponent((await params).id);
  const { rec, at } = await searchParams;
  const [found, visitor] = await Promise.all([findItem(itemId), currentVisitor()]);
  if (found.isUnknown) notFound();
  const origin = { ...(asRecommendationId(rec) ? { recommendationId: asRecommendationId(rec) ?? "" } : {}), ...(at ? { placement: at } : {}) };
  return (
    <>
      <ReportView itemId={itemId} {...origin} />
      {found.item ? <About item={found.item} isAvailable={found.isAvailable} origin={origin} /> : <CannotTell itemId={itemId} />}
      <Shelf title="Goes well with it" question={{ placement: "item-page", visitor, contextItems: [itemId], k: 5 }} size={5} />
    </>
  );
}

function About({ item, isAvailable, origin }: { item: Item; isAvailable: boolean; origin: { recommendationId?: string; placement?: string } }) {
  return (
    <>
      <Breadcrumbs crumbs={crumbs(item.categories?.[0] ?? "")} />
      <div className="mt-4 grid gap-8 md:grid-cols-2">
        <Picture item={item} eager className="max-w-md" />
        <div>
          <h1 className="font-serif text-3xl leading-tight">{item.title || item.item_id}</h1>
          <p className="mt-3 text-xl font-medium tabular-nums">{formatPrice(item.price, item.currency)}</p>
          {isAvailable ? (
            <AddToCart itemId={item.item_id} {...origin} />
          ) : (
            <p className="mt-6 inline-block rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">Sold out at the moment.</p>
          )}
          {(item.tags?.length ?? 0) > 0 && (
            <ul aria-label="Tags" className="mt-8 flex flex-wrap gap-2 text-xs text-muted">
              {item.tags?.map((tag) => (
                <li key={tag} className="rounded-full border px-2 py-1">
                  {tag}
                </li>
              ))}
            </ul>
          )}
        </div>
      </div>
    </>
  );
}

function CannotTell({ itemId }: { itemId: string }) {
  return (
    <>
      <h1 className="font-serif text-3xl">{itemId}</h1>
      <p className="mt-3 max-w-prose text-muted">The details of this item cannot be read just now. Please look in again in a moment.</p>
    </>
  );
}
