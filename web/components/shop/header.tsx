/** The shop's head: categories, search, cart, who is shopping, and whether shelves explain themselves. */

import Link from "next/link";
import { LibraryBig, Search, ShoppingBasket, User } from "lucide-react";
import { countItems } from "@/lib/cart";
import { listCategories } from "@/lib/server/catalog";
import { readSettings } from "@/lib/server/settings";
import { currentCart, currentVisitor, isExplaining, type Visitor } from "@/lib/server/visitor";
import { Button, buttonClasses } from "@/components/ui/button";
import { inWords } from "@/lib/categories";

export async function Header() {
  const [categories, cart, visitor, explains] = await Promise.all([listCategories(), currentCart(), currentVisitor(), isExplaining()]);
  const departments = categories.filter((category) => category.depth === 1);
  const count = countItems(cart);
  return (
    <header className="border-b bg-surface">
      <a href="#content" className="sr-only focus:not-sr-only focus:absolute focus:z-20 focus:m-2 focus:rounded focus:bg-surface focus:p-2">
        To the content
      </a>
      <div className="mx-auto flex max-w-6xl flex-wrap items-center gap-x-6 gap-y-3 px-4 py-3">
        <Link href="/" prefetch={false} className="flex min-h-9 items-center gap-2 font-serif text-xl">
          <LibraryBig aria-hidden="true" className="size-6 text-accent" strokeWidth={1.6} />
          Marlow &amp; Wren
        </Link>
        <form action="/search" role="search" className="order-last flex w-full min-w-0 flex-1 basis-full sm:order-none sm:basis-56">
          <label htmlFor="search" className="sr-only">
            Search the shop
          </label>
          <input
            id="search"
            name="q"
            type="search"
            placeholder="Search mugs, lamps, coffee …"
            className="h-9 w-full min-w-0 rounded-l-md border border-r-0 border-line-strong bg-canvas px-3 text-sm placeholder:text-muted"
          />
          <button type="submit" className="grid h-9 w-10 shrink-0 place-items-center rounded-r-md border border-line-strong bg-sunken">
            <Search aria-hidden="true" className="size-4" />
            <span className="sr-only">Search</span>
          </button>
        </form>
        <div className="-mr-3 ml-auto flex items-center gap-1">
          <ExplainSwitch explains={explains} />
          <ShopperSwitch visitor={visitor} />
          <Link href="/cart" prefetch={false} className={buttonClasses({ kind: "quiet" })} data-testid="cart-link">
            <ShoppingBasket aria-hidden="true" className="size-4" />
            Cart{count > 0 && <span className="rounded-full bg-accent px-1.5 text-xs leading-5 text-accent-ink tabular-nums">{count}</span>}
            <span className="sr-only">{count === 1 ? "1 item" : `${count} items`}</span>
          </Link>
        </div>
      </div>
      {departments.length > 0 && (
        <nav aria-label="Departments" className="mx-auto max-w-6xl px-2 pb-1">
          <ul className="flex flex-wrap text-sm">
            {departments.map((department) => (
              <li key={department.path}>
                <Link href={`/category/${department.path}`} prefetch={false} className="flex h-9 items-center px-2 text-muted hover:text-ink hover:underline">
                  {inWords(department.name)}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
      )}
    </header>
  );
}

function ExplainSwitch({ explains }: { explains: boolean }) {
  return (
    <form action="/api/preferences" method="post">
      <Button type="submit" kind="quiet" name="explain" value={explains ? "0" : "1"} aria-pressed={explains} className={explains ? "bg-accent-soft text-accent" : ""}>
        Explain
      </Button>
    </form>
  );
}

function ShopperSwitch({ visitor }: { visitor: Visitor }) {
  const { shoppers } = readSettings();
  const current = visitor.userId ?? "New visitor";
  return (
    <details className="relative" name="menu">
      <summary className={buttonClasses({ kind: "quiet" }, "cursor-pointer list-none")} data-testid="shopper-switch">
        <User aria-hidden="true" className="size-4" />
        <span className="sr-only">Shopping as </span>
        {current}
      </summary>
      <div className="absolute right-0 z-10 mt-1 w-64 rounded-lg border bg-surface p-2 shadow-lg">
        <form action="/api/preferences" method="post">
          <p className="px-2 py-1 text-xs text-muted">Shop as somebody else; the cart is emptied.</p>
          <ul>
            <ShopperChoice id="" name="New visitor" label="nobody knows them" isCurrent={visitor.userId === null} />
            {shoppers.map(({ id, label }) => (
              <ShopperChoice key={id} id={id} name={id} label={label} isCurrent={visitor.userId === id} />
            ))}
          </ul>
        </form>
        <form action="/api/preferences" method="post" className="mt-2 flex gap-1 border-t pt-2">
          <label htmlFor="other-shopper" className="sr-only">
            Another user id
          </label>
          <input id="other-shopper" name="shopper" required pattern="[\w.:@\-]{1,128}" placeholder="Another user id" className="h-9 w-full min-w-0 rounded-md border border-line-strong bg-canvas px-2 text-sm placeholder:text-muted" />
          <Button type="submit">Shop</Button>
        </form>
      </div>
    </details>
  );
}

function ShopperChoice({ id, name, label, isCurrent }: { id: string; name: string; label: string; isCurrent: boolean }) {
  return (
    <li>
      <button
        type="submit"
        name="shopper"
        value={id}
        aria-current={isCurrent ? "true" : undefined}
        className="flex h-9 w-full items-baseline gap-2 rounded-md px-2 py-1.5 text-left text-sm hover:bg-sunken aria-current:bg-accent-soft"
      >
        <span className="font-medium">{name}</span>
        <span className="truncate text-xs text-muted">{label}</span>
      </button>
    </li>
  );
}
