import type { Metadata } from "next";
import Link from "next/link";
import { Breadcrumbs } from "@/components/shop/breadcrumbs";
import { ItemGrid } from "@/components/shop/listing";
import { crumbs, inWords } from "@/lib/categories";
import { listCategories, listItems } from "@/lib/server/catalog";

interface Props {
  params: Promise<{ path: string[] }>;
  searchParams: Promise<{ after?: string }>;
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: inWords(decodeURIComponent((await params).path.at(-1) ?? "")) };
}

export default async function CategoryPage({ params, searchParams }: Props) {
  const path = (await params).path.map(decodeURIComponent).join("/");
  const { after } = await searchParams;
  const [listing, categories] = await Promise.all([listItems({ category: path, ...(after ? { after } : {}) }), listCategories()]);
  const depth = path.split("/").length;
  const below = categories.filter((category) => category.depth === depth + 1 && category.path.startsWith(`${path}/`));
  return (
    <>
      <Breadcrumbs crumbs={crumbs(path)} />
      <h1 className="mt-2 font-serif text-3xl">{crumbs(path).at(-1)?.name}</h1>
      {below.length > 0 && (
        <ul className="mt-4 flex flex-wrap gap-2">
          {below.map((category) => (
            <li key={category.path}>
              <Link href={`/category/${category.path}`} prefetch={false} className="inline-flex h-8 items-center gap-2 rounded-full border border-line-strong/50 bg-surface px-3 text-sm hover:bg-sunken">
                {inWords(category.name)} <span className="text-muted tabular-nums">{category.items}</span>
              </Link>
            </li>
          ))}
        </ul>
      )}
      <ItemGrid
        listing={listing}
        nextAddress={listing.nextAfter ? `/category/${path}?${new URLSearchParams({ after: listing.nextAfter })}` : null}
        empty="Nothing in this category can be bought today."
      />
    </>
  );
}
