/** Forms that change the cart; they work without JavaScript and lead back to a page. */

import type { NextRequest, NextResponse } from "next/server";
import { addLine, setQuantity, writeCart, type CartLine } from "@/lib/cart";
import { backTo, formFields, refused } from "@/lib/server/door";
import { asRecommendationId, report, type Happening } from "@/lib/server/events";
import { CART_COOKIE, currentCart, currentVisitor } from "@/lib/server/visitor";

const CART_S = 7 * 86_400;

export async function POST(request: NextRequest): Promise<NextResponse> {
  const fields = await formFields(request);
  const itemId = fields?.get("item_id");
  if (!fields || !itemId) return refused(422, "no change of a cart");
  const cart = await currentCart();
  const change = changed(cart, itemId, fields);
  // With JavaScript the page has sent its own beacon and says so; without it, the server reports.
  if (fields.get("reported") !== "1") {
    await report(await currentVisitor(), change.happenings).catch((error: unknown) => {
      console.error("cart_event_lost", { error: String(error) });
    });
  }
  const response = backTo(fields.get("back"), "/cart");
  response.cookies.set(CART_COOKIE, writeCart(change.cart), { httpOnly: true, sameSite: "lax", path: "/", maxAge: CART_S });
  return response;
}

function changed(cart: CartLine[], itemId: string, fields: URLSearchParams): { cart: CartLine[]; happenings: Happening[] } {
  const quantity = fields.get("quantity");
  if (quantity !== null) {
    const next = setQuantity(cart, itemId, Number(quantity));
    const isRemoval = next.length < cart.length;
    return { cart: next, happenings: isRemoval ? [{ event_type: "remove_from_cart", item_id: itemId }] : [] };
  }
  const recommendationId = asRecommendationId(fields.get("recommendation_id"));
  const placement = fields.get("placement") || null;
  const happening: Happening = {
    event_type: "add_to_cart",
    item_id: itemId,
    placement: placement ?? undefined,
    recommendation_id: recommendationId ?? undefined,
  };
  return { cart: addLine(cart, { itemId, recommendationId, placement }), happenings: [happening] };
}
