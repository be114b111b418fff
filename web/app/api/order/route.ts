/** The form that ends a shopper's journey: everything in the cart is bought, as far as a demo shop sells. */

import type { NextRequest, NextResponse } from "next/server";
import { countItems, writeCart } from "@/lib/cart";
import { backTo, formFields, refused } from "@/lib/server/door";
import { report, type Happening } from "@/lib/server/events";
import { knownItem } from "@/lib/server/catalog";
import { CART_COOKIE, currentCart, currentVisitor, ORDER_COOKIE } from "@/lib/server/visitor";

const ORDER_S = 3_600;

export async function POST(request: NextRequest): Promise<NextResponse> {
  const fields = await formFields(request);
  if (!fields) return refused(422, "no order");
  const cart = await currentCart();
  if (cart.length === 0) return backTo("/cart");
  if (fields.get("reported") !== "1") {
    const purchases = cart.map((line): Happening => {
      const price = knownItem(line.itemId)?.price;
      return {
        event_type: "purchase",
        item_id: line.itemId,
        placement: line.placement ?? undefined,
        recommendation_id: line.recommendationId ?? undefined,
        value: typeof price === "number" ? (price * line.quantity) / 100 : undefined,
      };
    });
    await report(await currentVisitor(), purchases).catch((error: unknown) => {
      console.error("purchase_events_lost", { error: String(error) });
    });
  }
  const response = backTo("/order");
  response.cookies.set(CART_COOKIE, writeCart([]), { httpOnly: true, sameSite: "lax", path: "/", maxAge: 0 });
  response.cookies.set(ORDER_COOKIE, String(countItems(cart)), { httpOnly: true, sameSite: "lax", path: "/", maxAge: ORDER_S });
  return response;
}
