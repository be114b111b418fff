"use client";

import type { Schema } from "@/lib/console/api";
import { formatMs } from "@/lib/console/figures";
import { Badge } from "@/components/ui/panel";
import { DataTable } from "./data-table";
import { Moment } from "./moment";
import { DegradedMark, ReasonMark, SourceMark } from "./source-mark";

type Row = Schema<"DecisionRow">;

export function DecisionTable({ decisions, openId, onOpen, withWho = true }: { decisions: readonly Row[]; openId?: string; onOpen?: (row: Row) => void; withWho?: boolean }) {
  return (
    <DataTable
      label="Answers"
      columns={[
        { id: "id", header: "Recommendation", cell: (row) => <span className="font-mono text-xs">{row.recommendation_id.slice(0, 8)}</span> },
        { id: "at", header: "When", by: (row) => row.decided_at, cell: (row) => <Moment at={row.decided_at} /> },
        { id: "placement", header: "Placement", by: (row) => row.placement, cell: (row) => row.placement },
        ...(withWho ? [{ id: "who", header: "For", by: (row: Row) => row.user_id ?? "", cell: (row: Row) => row.user_id ?? <span className="text-muted">a visitor</span> }] : []),
        { id: "source", header: "Source", by: (row) => row.source, cell: (row) => <SourceMark source={row.source} /> },
        { id: "reason", header: "Reason", by: (row) => row.reason, cell: (row) => <ReasonMark reason={row.reason} /> },
        { id: "degraded", header: "Degraded", by: (row) => Number(row.degraded), cell: (row) => <DegradedMark isDegraded={row.degraded} /> },
        { id: "items", header: "Items", by: (row) => row.items, cell: (row) => row.items, isNumber: true },
        { id: "elapsed", header: "Elapsed", by: (row) => row.elapsed_ms, cell: (row) => formatMs(row.elapsed_ms), isNumber: true },
        { id: "purpose", header: "Kind", cell: (row) => (row.purpose === "replay" ? <Badge>replay</Badge> : row.drill_id ? <Badge tone="warn">drill</Badge> : <span className="text-muted">answer</span>) },
      ]}
      rows={decisions}
      keyOf={(row) => row.recommendation_id}
      {...(onOpen ? { onOpen } : {})}
      isOpen={(row) => row.recommendation_id === openId}
    />
  );
}
