"use client";

/** A time, relative in the text and absolute in the tooltip. */

import { useSyncExternalStore } from "react";
import { formatAgo, formatInstant } from "@/lib/times";

const TICK_MS = 5_000;

export function Moment({ at }: { at: string | number | null | undefined }) {
  const nowMs = useNow();
  if (at === null || at === undefined) return <>–</>;
  const atMs = typeof at === "number" ? at * 1_000 : Date.parse(at);
  return (
    <time dateTime={new Date(atMs).toISOString()} title={formatInstant(atMs)} className="whitespace-nowrap tabular-nums">
      {formatAgo(atMs, nowMs)}
    </time>
  );
}

/** Now, told anew every five seconds; the same for everything on the page. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, roundedNow, roundedNow);
}

function roundedNow(): number {
  return Math.ceil(Date.now() / TICK_MS) * TICK_MS;
}

function subscribe(onTick: () => void): () => void {
  const timer = setInterval(onTick, 1_000);
  return () => clearInterval(timer);
}
