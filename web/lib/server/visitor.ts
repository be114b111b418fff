/** Who is shopping, and what the browser remembers for them: cookies without anything secret. */

import "server-only";

import { cookies } from "next/headers";
import { cache } from "react";
import { parseCart, type CartLine } from "@/lib/cart";

export const VISITOR_COOKIE = "evershelf_visitor";
export const SHOPPER_COOKIE = "evershelf_shopper";
export const CART_COOKIE = "evershelf_cart";
export const ORDER_COOKIE = "evershelf_order";
export const EXPLAIN_COOKIE = "evershelf_explain";
export const THEME_COOKIE = "evershelf_theme";
export const SCRIPTS_COOKIE = "evershelf_scripts";

const ID = /^[\w.:@-]{1,128}$/;

export interface Visitor {
  /** Null: a visitor nobody knows. */
  readonly userId: string | null;
  readonly sessionId: string;
}

export const currentVisitor = cache(async (): Promise<Visitor> => {
  const jar = await cookies();
  const session = jar.get(VISITOR_COOKIE)?.value;
  const shopper = jar.get(SHOPPER_COOKIE)?.value;
  return {
    userId: shopper && ID.test(shopper) ? shopper : null,
    sessionId: session && ID.test(session) ? session : "first-visit",
  };
});

export const currentCart = cache(async (): Promise<CartLine[]> => parseCart((await cookies()).get(CART_COOKIE)?.value));

export const isExplaining = cache(async (): Promise<boolean> => (await cookies()).get(EXPLAIN_COOKIE)?.value === "1");

/** Whether this browser has run our scripts before: only then can parts of a page be moved into place as they arrive. */
export const runsScripts = cache(async (): Promise<boolean> => (await cookies()).has(SCRIPTS_COOKIE));

export type Theme = "system" | "light" | "dark";

export async function currentTheme(): Promise<Theme> {
  const theme = (await cookies()).get(THEME_COOKIE)?.value;
  return theme === "light" || theme === "dark" ? theme : "system";
}

export function isShopperId(text: string): boolean {
  return ID.test(text);
}
