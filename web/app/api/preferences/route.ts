/** Small choices of whoever looks: which shopper to be, explanations, the theme. */

import type { NextRequest, NextResponse } from "next/server";
import { backTo, formFields, refused } from "@/lib/server/door";
import { CART_COOKIE, EXPLAIN_COOKIE, isShopperId, SHOPPER_COOKIE, THEME_COOKIE, VISITOR_COOKIE } from "@/lib/server/visitor";

const PREFERENCE_S = 180 * 86_400;
const THEMES = new Set(["system", "light", "dark"]);

export async function POST(request: NextRequest): Promise<NextResponse> {
  const fields = await formFields(request);
  if (!fields) return refused(422, "no choice");
  const response = backTo(fields.get("back"));
  const keep = (name: string, value: string, maxAge = PREFERENCE_S) =>
    response.cookies.set(name, value, { httpOnly: true, sameSite: "lax", path: "/", maxAge });
  const explain = fields.get("explain");
  if (explain !== null) keep(EXPLAIN_COOKIE, explain === "1" ? "1" : "0");
  const theme = fields.get("theme");
  if (theme !== null && THEMES.has(theme)) keep(THEME_COOKIE, theme);
  const shopper = fields.get("shopper");
  if (shopper !== null && (shopper === "" || isShopperId(shopper))) {
    keep(SHOPPER_COOKIE, shopper, shopper ? PREFERENCE_S : 0);
    keep(VISITOR_COOKIE, `visit-${crypto.randomUUID()}`); // somebody else, so another session and an empty cart
    keep(CART_COOKIE, "", 0);
  }
  return response;
}
