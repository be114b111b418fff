"use client";

import Link from "next/link";
import { Badge, Empty, Panel } from "@/components/ui/panel";
import type { Schema } from "@/lib/console/api";
import { formatCount, formatMs, formatShare } from "@/lib/console/figures";
import { useAdmin } from "@/lib/console/queries";
import { firstStep } from "@/lib/console/plot";
import { useView } from "@/lib/console/view";
import { sourceColour } from "@/lib/sources";
import { Chart } from "./chart";
import { DataTable } from "./data-table";
import { Moment } from "./moment";
import { Loaded } from "./page-state";
import { SourceMark } from "./source-mark";
import { SwimLanes } from "./swim-lanes";

export function ResiliencePage() {
  const { rangeS } = useView();
  const resilience = useAdmin("/v1/admin/resilience", { window_s: rangeS, points_max: 120 });
  const dependencies = useAdmin("/v1/admin/dependencies");
  return (
    <Loaded query={resilience}>
      {(data) => (
        <div className="grid gap-3">
          {data.active_drills > 0 && (
            <p className="flex items-center gap-2 rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">
              {data.active_drills === 1 ? "A drill is running." : `${data.active_drills} drills are running.`}
              <Link href="/console/drills" className="inline-flex min-h-6 items-center underline">
                Watch or stop
              </Link>
            </p>
          )}
          <SwimLanes lanes={data.lanes} marks={data.marks} fromS={data.timeline.times_s[firstStep(data.timeline)] ?? data.timeline.now_s - rangeS} untilS={data.timeline.now_s} />
          <div className="grid gap-3 xl:grid-cols-2">
            <Ladder rungs={data.ladder} />
            <Budgets data={data} />
            <Chart title="Model branches at a time" unit="count" timeline={data.timeline} series={[{ name: "most in flight", values: data.in_flight, colour: "var(--source-related)" }]} format={(value) => formatCount(value === null ? null : Math.round(value))} />
            <Chart title="Event loop lag" note="the longest of each step" timeline={data.timeline} series={[{ name: "lag", values: data.loop_lag_ms, colour: "var(--source-popular)" }]} format={formatMs} />
          </div>
          <Loaded query={dependencies}>{(told) => <Dependencies dependencies={told.dependencies} />}</Loaded>
        </div>
      )}
    </Loaded>
  );
}

function Ladder({ rungs }: { rungs: readonly Schema<"Rung">[] }) {
  return (
    <Panel title="The ladder" note="who answers now, best first">
      <DataTable
        label="The ladder"
        columns={[
          { id: "source", header: "Rung", cell: (rung) => <SourceMark source={rung.source} /> },
          {
            id: "share",
            header: "Share of answers",
            by: (rung) => rung.share ?? 0,
            cell: (rung) => (
              <span className="flex items-center gap-2">
                <span aria-hidden="true" className="h-2 w-12 shrink-0 overflow-hidden rounded bg-sunken">
                  <span className="block h-full rounded" style={{ width: `${(rung.share ?? 0) * 100}%`, background: sourceColour(rung.source) }} />
                </span>
                <span className="tabular-nums">{formatShare(rung.share)}</span>
              </span>
            ),
          },
          { id: "served", header: "Last served", cell: (rung) => (rung.last_served_s === null ? <span className="whitespace-nowrap text-muted">not yet</span> : <Moment at={rung.last_served_s} />) },
          { id: "proven", header: "Proven", cell: (rung) => (rung.proven_within_hour ? <Badge tone="good">within the hour</Badge> : <Badge tone="warn">not lately</Badge>) },
        ]}
        rows={rungs}
        keyOf={(rung) => rung.source}
      />
    </Panel>
  );
}

const PARTS = [
  { key: "history_ms", name: "history", colour: "var(--source-related)" },
  { key: "inference_ms", name: "inference", colour: "var(--source-model)" },
  { key: "compose_ms", name: "everything else", colour: "var(--line-strong)" },
] as const;

function Budgets({ data }: { data: Schema<"Resilience"> }) {
  const requests = [
    { name: "A median request", spent: data.median },
    { name: "A p99 request", spent: data.p99 },
  ];
  const deadlineMs = data.deadline_ms ?? 0;
  if (!data.median && !data.p99) {
    return (
      <Panel title="Where the budget went">
        <Empty command="evershelf demo traffic">Nothing was answered in this range.</Empty>
      </Panel>
    );
  }
  const widest = Math.max(deadlineMs, data.p99?.total_ms ?? 0, data.median?.total_ms ?? 0, 1);
  return (
    <Panel title="Where the budget went" note={`deadline ${formatMs(deadlineMs)}`}>
      <ul className="mb-2 flex flex-wrap gap-x-4 text-xs">
        {PARTS.map((part) => (
          <li key={part.key} className="flex items-center gap-1.5 text-muted">
            <span aria-hidden="true" className="h-2 w-3 rounded-sm" style={{ background: part.colour }} /> {part.name}
          </li>
        ))}
      </ul>
      {requests.map(({ name, spent }) => (
        <div key={name} className="mb-3">
          <p className="flex justify-between text-sm">
            <span>{name}</span> <strong className="font-medium tabular-nums">{formatMs(spent?.total_ms)}</strong>
          </p>
          {spent && (
            <>
              <div aria-hidden="true" className="relative mt-1 flex h-4 overflow-hidden rounded bg-sunken">
                {PARTS.map((part) => (
                  <span key={part.key} className="h-full" style={{ width: `${(spent[part.key] / widest) * 100}%`, background: part.colour }} />
                ))}
                <span className="absolute inset-y-0 w-0.5 bg-bad" style={{ left: `calc(${(deadlineMs / widest) * 100}% - 2px)` }} />
              </div>
              <p className="mt-0.5 text-xs text-muted tabular-nums">{PARTS.map((part) => `${part.name} ${formatMs(spent[part.key])}`).join(" · ")}</p>
            </>
          )}
        </div>
      ))}
    </Panel>
  );
}

function Dependencies({ dependencies }: { dependencies: readonly Schema<"DependencyDetail">[] }) {
  return (
    <Panel title="Dependencies now" note="as last seen by this gateway">
      <DataTable
        label="Dependencies now"
        columns={[
          { id: "name", header: "Dependency", cell: (each) => each.name },
          { id: "state", header: "State", cell: (each) => <Badge tone={each.state === "up" ? "good" : each.state === "down" ? "bad" : "neutral"}>{each.state}</Badge> },
          { id: "since", header: "Since", cell: (each) => <Moment at={each.since} /> },
          { id: "detail", header: "What it means", isWide: true, cell: (each) => <span className="text-muted">{each.detail}</span> },
        ]}
        rows={dependencies}
        keyOf={(each) => each.name}
      />
    </Panel>
  );
}
