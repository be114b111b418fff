"use client";

/** What a page shows until it has something: nothing was read yet, or it cannot be read at all. */

import type { UseQueryResult } from "@tanstack/react-query";
import { Empty } from "@/components/ui/panel";
import type { ConsoleError } from "@/lib/console/api";

export function Loaded<T>({ query, children }: { query: UseQueryResult<T, ConsoleError>; children: (data: T) => React.ReactNode }) {
  if (query.data !== undefined) {
    return (
      <>
        {query.error && !query.error.isOutage && <Complaint error={query.error} />}
        {children(query.data)}
      </>
    );
  }
  if (query.error?.isOutage) return <Empty command="evershelf up">The gateway cannot be reached, and nothing was read from it yet.</Empty>;
  if (query.error) return <Complaint error={query.error} />;
  return (
    <div role="status" className="h-40 animate-pulse rounded-lg bg-sunken">
      <span className="sr-only">Reading …</span>
    </div>
  );
}

export function Complaint({ error }: { error: ConsoleError | null | undefined }) {
  if (!error) return null;
  return (
    <p role="alert" className="my-2 rounded-md bg-bad-soft px-3 py-2 text-sm text-bad">
      {error.message}
    </p>
  );
}
