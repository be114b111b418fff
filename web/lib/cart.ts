/** The cart as the browser keeps it in a cookie: item ids, quantities, and the recommendation that led there. */

export const LINES_MAX = 24;
export const QUANTITY_MAX = 9;

export interface CartLine {
  readonly itemId: string;
  readonly quantity: number;
  readonly recommendationId: string | null;
  readonly placement: string | null;
}

/** What cannot be read is an empty cart: a cookie is the browser's to change. */
export function parseCart(text: string | undefined): CartLine[] {
  if (!text) return [];
  try {
    const lines: unknown = JSON.parse(text);
    return Array.isArray(lines) ? lines.flatMap(parseLine).slice(0, LINES_MAX) : [];
  } catch {
    return [];
  }
}

export function writeCart(lines: readonly CartLine[]): string {
  return JSON.stringify(lines.map((line) => [line.itemId, line.quantity, line.recommendationId, line.placement]));
}

export function addLine(cart: readonly CartLine[], added: Omit<CartLine, "quantity">): CartLine[] {
  const present = cart.find((line) => line.itemId === added.itemId);
  if (present) return setQuantity(cart, added.itemId, present.quantity + 1);
  return [...cart, { ...added, quantity: 1 }].slice(-LINES_MAX);
}

export function setQuantity(cart: readonly CartLine[], itemId: string, quantity: number): CartLine[] {
  const bounded = Math.min(QUANTITY_MAX, Math.trunc(quantity));
  if (!(bounded > 0)) return cart.filter((line) => line.itemId !== itemId);
  return cart.map((line) => (line.itemId === itemId ? { ...line, quantity: bounded } : line));
}

export function countItems(cart: readonly CartLine[]): number {
  return cart.reduce((sum, line) => sum + line.quantity, 0);
}

function parseLine(line: unknown): CartLine[] {
  if (!Array.isArray(line)) return [];
  const [itemId, quantity, recommendationId, placement] = line as unknown[];
  if (typeof itemId !== "string" || typeof quantity !== "number" || !(quantity >= 1 && quantity <= QUANTITY_MAX)) {
    return [];
  }
  return [
    {
      itemId,
      quantity: Math.trunc(quantity),
      recommendationId: typeof recommendationId === "string" ? recommendationId : null,
      placement: typeof placement === "string" ? placement : null,
    },
  ];
}
