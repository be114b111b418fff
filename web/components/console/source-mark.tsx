/** A source with its colour; a reason in words. */

import { Badge } from "@/components/ui/panel";
import { reasonInWords, sourceColour, sourceName } from "@/lib/sources";

export function SourceMark({ source }: { source: string }) {
  return (
    <span className="inline-flex items-center gap-1.5 whitespace-nowrap">
      <span aria-hidden="true" className="size-2 shrink-0 rounded-full" style={{ background: sourceColour(source) }} />
      {sourceName(source)}
    </span>
  );
}

export function ReasonMark({ reason }: { reason: string }) {
  return <span title={reasonInWords(reason)}>{reason.replaceAll("_", " ")}</span>;
}

export function DegradedMark({ isDegraded }: { isDegraded: boolean }) {
  return isDegraded ? <Badge tone="warn">degraded</Badge> : <span className="text-muted">no</span>;
}
