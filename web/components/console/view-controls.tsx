"use client";

import { classNames } from "@/lib/class-names";
import { RANGES, useView } from "@/lib/console/view";

export function ViewControls({ hasRange }: { hasRange: boolean }) {
  const { rangeS, isLive, set } = useView();
  return (
    <>
      {hasRange && (
        <div role="group" aria-label="Time range" className="flex rounded-md border bg-surface p-0.5">
          {RANGES.map(({ seconds, label }) => (
            <button
              key={seconds}
              type="button"
              aria-pressed={rangeS === seconds}
              onClick={() => set({ range: String(seconds) })}
              className={classNames("h-7 rounded px-2 text-xs whitespace-nowrap text-muted hover:text-ink", rangeS === seconds && "bg-accent-soft font-medium text-accent hover:text-accent")}
            >
              {label}
            </button>
          ))}
        </div>
      )}
      <button
        type="button"
        aria-pressed={isLive}
        onClick={() => set({ live: isLive ? "0" : null })}
        className="flex h-8 items-center gap-1.5 rounded-md border bg-surface px-2.5 text-xs hover:bg-sunken"
      >
        <span aria-hidden="true" className={classNames("size-2 rounded-full", isLive ? "bg-good" : "border border-line-strong")} />
        Live
      </button>
    </>
  );
}
