"use client";

/** Says when what is on screen is old, because the gateway cannot be asked. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { CloudOff } from "lucide-react";
import { ConsoleError } from "@/lib/console/api";
import { formatClock } from "@/lib/times";

interface Outage {
  readonly message: string;
  readonly readAtMs: number;
}

export function OutageNotice() {
  const outage = useOutage();
  return (
    <div role="status" aria-live="polite">
      {outage && (
        <p className="flex items-center gap-2 border-b bg-warn-soft px-4 py-2 text-sm text-warn lg:px-6">
          <CloudOff aria-hidden="true" className="size-4 shrink-0" />
          {outage.message} {outage.readAtMs > 0 ? `This is what was read at ${formatClock(outage.readAtMs)}.` : "Nothing was read yet."} Trying again.
        </p>
      )}
    </div>
  );
}

function useOutage(): Outage | null {
  const cache = useQueryClient().getQueryCache();
  const [outage, setOutage] = useState<Outage | null>(null);
  useEffect(() => {
    const look = () => {
      const active = cache.findAll({ type: "active" });
      const failing = active.find(({ state }) => state.error instanceof ConsoleError && state.error.isOutage);
      const next = failing ? { message: "The gateway cannot be reached.", readAtMs: Math.max(0, ...active.map(({ state }) => state.dataUpdatedAt)) } : null;
      setOutage((previous) => (previous?.readAtMs === next?.readAtMs && Boolean(previous) === Boolean(next) ? previous : next));
    };
    look();
    return cache.subscribe(() => queueMicrotask(look));
  }, [cache]);
  return outage;
}
