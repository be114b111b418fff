import type { Metadata } from "next";
import Link from "next/link";
import { itemAddress } from "@/components/shop/card";
import { OrderForm } from "@/components/shop/order-form";
import { Picture } from "@/components/shop/picture";
import { Shelf } from "@/components/shop/shelf";
import { Button, buttonClasses } from "@/components/ui/button";
import { QUANTITY_MAX, type CartLine } from "@/lib/cart";
import { formatPrice } from "@/lib/money";
import { findItem, knownItem } from "@/lib/server/catalog";
import type { Item } from "@/lib/server/gateway";
import { currentCart, currentVisitor } from "@/lib/server/visitor";

export const metadata: Metadata = { title: "Cart" };

export default async function CartPage() {
  const [cart, visitor] = await Promise.all([currentCart(), currentVisitor()]);
  const lines = await Promise.all(cart.map(async (line) => ({ line, item: knownItem(line.itemId) ?? (await findItem(line.itemId)).item })));
  const total = lines.reduce((sum, { line, item }) => sum + (item?.price ?? 0) * line.quantity, 0);
  return (
    <>
      <h1 className="font-serif text-3xl">Your cart</h1>
      {lines.length === 0 ? (
        <p className="mt-4 text-muted">
          Nothing in it yet.{" "}
          <Link href="/" prefetch={false} className="inline-flex min-h-6 items-center underline">
            Look around
          </Link>
        </p>
      ) : (
        <>
          <ul className="mt-4 divide-y rounded-lg border bg-surface">
            {lines.map(({ line, item }) => (
              <Line key={line.itemId} line={line} item={item} />
            ))}
          </ul>
          <div className="mt-4 flex flex-wrap items-center justify-end gap-6">
            <p className="text-lg">
              Total <strong className="font-medium tabular-nums">{formatPrice(total, lines.find(({ item }) => item?.currency)?.item?.currency)}</strong>
            </p>
            <OrderForm
              purchases={lines.map(({ line, item }) => ({
                item_id: line.itemId,
                placement: line.placement ?? undefined,
                recommendation_id: line.recommendationId ?? undefined,
                value: typeof item?.price === "number" ? (item.price * line.quantity) / 100 : undefined,
              }))}
            />
          </div>
        </>
      )}
      <Shelf title={lines.length > 0 ? "Often taken along" : "Perhaps something of this"} question={{ placement: "cart", visitor, contextItems: cart.map((line) => line.itemId), k: 5 }} size={5} />
    </>
  );
}

function Line({ line, item }: { line: CartLine; item: Item | null }) {
  const title = item?.title || line.itemId;
  return (
    <li className="flex flex-wrap items-center gap-4 p-3">
      {item && <Picture item={item} className="size-16 shrink-0" />}
      <Link href={itemAddress(line.itemId)} prefetch={false} className="min-h-6 min-w-0 flex-1 basis-40 hover:underline">
        {title}
      </Link>
      <form action="/api/cart" method="post" className="flex items-center gap-2">
        <input type="hidden" name="item_id" value={line.itemId} />
        <label htmlFor={`quantity-${line.itemId}`} className="sr-only">
          Quantity of {title}
        </label>
        <input
          id={`quantity-${line.itemId}`}
          name="quantity"
          type="number"
          min={1}
          max={QUANTITY_MAX}
          defaultValue={line.quantity}
          className="h-9 w-16 rounded-md border border-line-strong bg-canvas px-2 text-sm tabular-nums"
        />
        <Button type="submit" size="small" className="h-9">
          Update<span className="sr-only"> the quantity of {title}</span>
        </Button>
      </form>
      <form action="/api/cart" method="post">
        <input type="hidden" name="item_id" value={line.itemId} />
        <button type="submit" name="quantity" value="0" className={buttonClasses({ kind: "quiet", size: "small" }, "h-9")}>
          Remove<span className="sr-only"> {title}</span>
        </button>
      </form>
      <p className="w-24 text-right text-sm font-medium tabular-nums">{formatPrice((item?.price ?? 0) * line.quantity, item?.currency)}</p>
    </li>
  );
}
