/** Times and spans as people read them. */

const STEPS: readonly [number, string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
];

/** A span in its largest two units at most: `42 s`, `3 min`, `5 h 12 min`, `2 d 4 h`. */
export function formatSpan(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  for (const [place, [size, unit]] of STEPS.entries()) {
    if (whole < size) continue;
    const rest = STEPS[place + 1];
    const first = `${Math.floor(whole / size)} ${unit}`;
    const more = rest ? Math.floor((whole % size) / rest[0]) : 0;
    return rest && more > 0 ? `${first} ${more} ${rest[1]}` : first;
  }
  return `${whole} s`;
}

export function formatAgo(atMs: number, nowMs: number): string {
  const seconds = (nowMs - atMs) / 1_000;
  return seconds < 1 ? "just now" : `${formatSpan(seconds)} ago`;
}

/** `2026-11-24 22:31:07` in the reader's zone. */
export function formatInstant(atMs: number): string {
  const at = new Date(atMs);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${formatClock(atMs)}`;
}

export function formatClock(atMs: number): string {
  const at = new Date(atMs);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((value) => String(value).padStart(2, "0")).join(":");
}
