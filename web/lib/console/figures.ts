/** Figures as operators read them; `–` where nothing is known. */

export const UNKNOWN = "–";

export function formatCount(value: number | null | undefined): string {
  return typeof value === "number" ? new Intl.NumberFormat("en").format(value) : UNKNOWN;
}

/** `99.97 %`: as many places as tell it from the next whole value, three at most. */
export function formatShare(value: number | null | undefined): string {
  if (typeof value !== "number" || !Number.isFinite(value)) return UNKNOWN;
  const percent = value * 100;
  const isClose = (percent > 99 && percent < 100) || (percent > 0 && percent < 1);
  return `${percent.toFixed(isClose ? 2 : percent % 1 === 0 ? 0 : 1)}\u00a0%`;
}

export function formatMs(value: number | null | undefined): string {
  if (typeof value !== "number") return UNKNOWN;
  return `${value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)}\u00a0ms`;
}

export function formatBytes(value: number): string {
  if (value < 1_000) return `${value} B`;
  if (value < 1_000_000) return `${(value / 1_000).toFixed(1)} kB`;
  return `${(value / 1_000_000).toFixed(1)} MB`;
}

export function formatMetric(value: number): string {
  return Number.isInteger(value) ? formatCount(value) : value.toFixed(4);
}

/** `ndcg_at_20` → `ndcg@20`. */
export function metricName(code: string): string {
  return code.replaceAll("_at_", "@").replaceAll("_", " ");
}

/** `view_item_list` → `view item list`. */
export function inPlainWords(code: string): string {
  return code.replaceAll("_", " ");
}
