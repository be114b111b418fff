/** The way from the front page to a category. */

import Link from "next/link";
import type { Crumb } from "@/lib/categories";

export function Breadcrumbs({ crumbs }: { crumbs: readonly Crumb[] }) {
  return (
    <nav aria-label="Breadcrumbs">
      <ol className="flex flex-wrap items-center text-sm text-muted">
        <li>
          <Link href="/" prefetch={false} className="inline-flex h-6 items-center pr-2 hover:underline">
            Shop
          </Link>
        </li>
        {crumbs.map((crumb) => (
          <li key={crumb.path} className="before:content-['/']">
            <Link href={`/category/${crumb.path}`} prefetch={false} className="inline-flex h-6 items-center px-2 hover:underline">
              {crumb.name}
            </Link>
          </li>
        ))}
      </ol>
    </nav>
  );
}
