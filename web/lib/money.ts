/** Prices as shoppers read them. */

export function formatPrice(minorUnits: number | null | undefined, currency: string | null | undefined): string {
  if (typeof minorUnits !== "number") return "";
  if (!currency) return (minorUnits / 100).toFixed(2);
  return new Intl.NumberFormat("en", { style: "currency", currency }).format(minorUnits / 100);
}
