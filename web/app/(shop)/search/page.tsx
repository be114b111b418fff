import type { Metadata } from "next";
import { ItemGrid } from "@/components/shop/listing";
import { listItems } from "@/lib/server/catalog";

export const metadata: Metadata = { title: "Search" };

const QUERY_LENGTH_MAX = 100;

export default async function SearchPage({ searchParams }: { searchParams: Promise<{ q?: string; after?: string }> }) {
  const { q = "", after } = await searchParams;
  const words = q.trim().slice(0, QUERY_LENGTH_MAX);
  if (!words) return <h1 className="font-serif text-3xl">What are you looking for?</h1>;
  const listing = await listItems({ q: words, ...(after ? { after } : {}) });
  return (
    <>
      <h1 className="font-serif text-3xl">Results for “{words}”</h1>
      <ItemGrid
        listing={listing}
        nextAddress={listing.nextAfter ? `/search?${new URLSearchParams({ q: words, after: listing.nextAfter })}` : null}
        empty={`Nothing is called “${words}”. Fewer or other words may find something.`}
      />
    </>
  );
}
