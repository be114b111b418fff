"use client";

import { Empty, Figure, Panel } from "@/components/ui/panel";
import { SelectField } from "@/components/ui/fields";
import type { Schema } from "@/lib/console/api";
import { formatCount, formatMs, formatShare } from "@/lib/console/figures";
import { useAdmin } from "@/lib/console/queries";
import { useView } from "@/lib/console/view";
import { lastedOver } from "@/lib/console/plot";
import { reasonInWords, SOURCES, SOURCE_COLOURS, SOURCE_NAMES } from "@/lib/sources";
import { Chart } from "./chart";
import { DataTable } from "./data-table";
import { Loaded } from "./page-state";

export function OverviewPage() {
  const view = useView();
  const placement = view.get("placement");
  const overview = useAdmin("/v1/admin/overview", { window_s: view.rangeS, points_max: 120, placement });
  return (
    <Loaded query={overview}>
      {(data) => (
        <>
          <SelectField label="Placement" value={placement} onChange={(event) => view.set({ placement: event.target.value })} className="mb-3 w-48">
            <option value="">All placements</option>
            {[...new Set([...data.placements, ...(placement ? [placement] : [])])].map((name) => (
              <option key={name}>{name}</option>
            ))}
          </SelectField>
          {data.totals.answers === 0 ? (
            <Empty command="evershelf demo traffic">No answers were given in this range. Ask for some, or let simulated shoppers do it.</Empty>
          ) : (
            <Answered data={data} />
          )}
        </>
      )}
    </Loaded>
  );
}

function Answered({ data }: { data: Schema<"Overview"> }) {
  const { totals, error_budget: budget, timeline } = data;
  const rate = (count: number | null) => (count === null ? "–" : formatCount(Math.round(count)));
  const isKept = (totals.valid_in_time_share ?? 0) >= budget.objective_share;
  return (
    <div className="grid gap-3">
      <dl className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-6">
        <Figure name="Valid and in time" value={formatShare(totals.valid_in_time_share)} note={`objective ${formatShare(budget.objective_share)}`} tone={isKept ? "good" : "bad"} />
        <Figure name="Answers" value={formatCount(totals.answers)} note={`${totals.late} late, ${totals.empty} empty, ${totals.failed} failed`} />
        <Figure name="From the model" value={formatShare((totals.by_source.model ?? 0) / totals.answers)} note={`${formatCount(totals.by_source.model ?? 0)} answers`} />
        <Figure name="Degraded" value={formatShare(totals.degraded_share)} note={`${formatCount(totals.degraded)} answers`} tone={totals.degraded > 0 ? "warn" : "neutral"} />
        <Figure name="p99" value={formatMs(totals.latency.p99_ms)} note={`of ${formatMs(totals.latency.deadline_ms)}; p50 ${formatMs(totals.latency.p50_ms)}`} />
        <Figure name="Error budget left" value={formatShare(budget.left_share)} note={`${budget.spent} of ${budget.allowed < 10 ? budget.allowed.toPrecision(2) : formatCount(Math.floor(budget.allowed))} spent`} tone={budget.left_share < 0.25 ? "bad" : "neutral"} />
      </dl>
      <div className="grid gap-3 xl:grid-cols-2">
        <Chart
          title="Answers by source"
          note={`per ${timeline.step_s} s`}
          isStacked
          unit="count"
          timeline={timeline}
          series={SOURCES.filter((source) => data.by_source[source]).map((source) => ({ name: SOURCE_NAMES[source], values: data.by_source[source] ?? [], colour: SOURCE_COLOURS[source] }))}
          format={rate}
        />
        <Chart
          title="Latency against the deadline"
          note="until the answer is composed"
          timeline={timeline}
          series={[
            { name: "p50", values: data.latency.p50_ms, colour: "var(--source-model)" },
            { name: "p95", values: data.latency.p95_ms, colour: "var(--source-related)" },
            { name: "p99", values: data.latency.p99_ms, colour: "var(--source-popular-in-category)" },
            { name: "deadline", values: lastedOver(data.deadline_ms), colour: "var(--bad)", isDashed: true },
          ]}
          format={formatMs}
        />
        <Chart
          title="Degraded answers"
          note="a dependency failed or was spared"
          timeline={timeline}
          isStacked
          unit="count"
          series={[
            { name: "as usual", values: data.answers.map((count, place) => count - (data.degraded[place] ?? 0)), colour: "var(--source-model)" },
            { name: "degraded", values: data.degraded, colour: "var(--warn)" },
          ]}
          format={rate}
        />
        <Panel title="Why this source answered" note="by reason, over the range">
          <DataTable
            label="Answers by reason"
            columns={[
              { id: "reason", header: "Reason", by: ([reason]) => reason, cell: ([reason]) => <code className="font-mono text-xs">{reason}</code> },
              { id: "words", header: "In words", isWide: true, cell: ([reason]) => <span className="text-muted">{reasonInWords(reason)}</span> },
              { id: "answers", header: "Answers", by: ([, count]) => count, cell: ([, count]) => formatCount(count), isNumber: true },
              { id: "share", header: "Share", by: ([, count]) => count, cell: ([, count]) => formatShare(count / totals.answers), isNumber: true },
            ]}
            rows={Object.entries(totals.by_reason).sort(([, left], [, right]) => right - left)}
            keyOf={([reason]) => reason}
          />
        </Panel>
      </div>
    </div>
  );
}
