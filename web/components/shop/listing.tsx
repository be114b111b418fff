/** A grid of catalog items, with what can be said when there are none. */

import Link from "next/link";
import { buttonClasses } from "@/components/ui/button";
import { formatSpan } from "@/lib/times";
import type { Listing } from "@/lib/server/catalog";
import { Card, GRID } from "./card";

export function ItemGrid({ listing, nextAddress, empty }: { listing: Listing; nextAddress: string | null; empty: React.ReactNode }) {
  return (
    <>
      {listing.ageS !== null && <p className="mt-4 text-sm text-muted">As of {formatSpan(listing.ageS)} ago: the catalog cannot be read just now.</p>}
      {listing.note && <p className="mt-4 text-sm text-muted">{listing.note}</p>}
      {listing.items.length === 0 ? (
        <div className="mt-8 rounded-lg border bg-surface p-6 text-muted">{listing.trouble ? "The catalog cannot be read just now. Please try again in a moment." : empty}</div>
      ) : (
        <ul className={`mt-6 ${GRID}`}>
          {listing.items.map((item, place) => (
            <Card key={item.item_id} item={item} eager={place < 5} heading="h2" />
          ))}
        </ul>
      )}
      {nextAddress && listing.nextAfter && (
        <p className="mt-8 text-center">
          <Link href={nextAddress} prefetch={false} className={buttonClasses({})}>
            More
          </Link>
        </p>
      )}
    </>
  );
}
