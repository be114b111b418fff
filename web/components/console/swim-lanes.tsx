"use client";

/** Dependencies and breakers over time, one lane each, with the moments that explain a change of colour. */

import { useState } from "react";
import { Table2, ChartGantt } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Panel } from "@/components/ui/panel";
import type { Schema } from "@/lib/console/api";
import { inPlainWords } from "@/lib/console/figures";
import { formatClock, formatInstant, formatSpan } from "@/lib/times";
import { DataTable } from "./data-table";

type Lane = Schema<"Lane">;
type Mark = Schema<"Mark">;

const LANE_PX = 36;
const AXIS_PX = 22;
const MARKS_PX = 14;
const WIDTH = 1_000;
const TICKS = 6;

const STATE_COLOURS: Readonly<Record<string, string>> = {
  up: "var(--good)",
  closed: "var(--good)",
  down: "var(--bad)",
  open: "var(--bad)",
  half_open: "var(--warn)",
  ramping: "var(--warn)",
};

const MARK_COLOURS: Readonly<Record<string, string>> = {
  drill_started: "var(--warn)",
  drill_stopped: "var(--warn)",
  model: "var(--source-model)",
  snapshot: "var(--line-strong)",
  placement: "var(--source-related)",
  started: "var(--ink)",
};

export function SwimLanes({ lanes, marks, fromS, untilS }: { lanes: readonly Lane[]; marks: readonly Mark[]; fromS: number; untilS: number }) {
  const [isTable, setTable] = useState(false);
  const shown = marks.filter(({ at_s }) => at_s >= fromS && at_s <= untilS);
  return (
    <Panel
      title="Dependencies and breakers"
      note="what was known of each, and what was changed meanwhile"
      actions={
        <Button kind="quiet" size="small" aria-pressed={isTable} onClick={() => setTable(!isTable)}>
          {isTable ? <ChartGantt aria-hidden="true" className="size-3.5" /> : <Table2 aria-hidden="true" className="size-3.5" />}
          {isTable ? "Lanes" : "Table"}
          <span className="sr-only"> of dependencies and breakers</span>
        </Button>
      }
    >
      {isTable ? <LaneTable lanes={lanes} /> : <Picture lanes={lanes} marks={shown} fromS={fromS} untilS={untilS} />}
      <MarkList marks={shown} />
    </Panel>
  );
}

function Picture({ lanes, marks, fromS, untilS }: { lanes: readonly Lane[]; marks: readonly Mark[]; fromS: number; untilS: number }) {
  const height = MARKS_PX + lanes.length * LANE_PX + AXIS_PX;
  const x = (atS: number) => (Math.min(1, Math.max(0, (atS - fromS) / (untilS - fromS))) * WIDTH);
  const ticks = Array.from({ length: TICKS }, (_, place) => fromS + ((untilS - fromS) * (place + 0.5)) / TICKS);
  return (
    <div className="grid grid-cols-[11rem_1fr]">
      <ul style={{ paddingTop: MARKS_PX }} className="text-xs">
        {lanes.map((lane) => (
          <li key={lane.name} style={{ height: LANE_PX }} className="flex flex-col justify-center pr-2 leading-tight">
            <span className="truncate font-medium">{inPlainWords(lane.name)}</span>
            <span className="text-muted">{inPlainWords(lane.state)}</span>
          </li>
        ))}
      </ul>
      <div className="relative min-w-0">
        <svg viewBox={`0 0 ${WIDTH} ${height}`} preserveAspectRatio="none" style={{ height }} className="block w-full" role="img" aria-label={lanes.map((lane) => `${inPlainWords(lane.name)} is ${inPlainWords(lane.state)}`).join(", ")}>
          {lanes.map((lane, row) => (
            <g key={lane.name}>
              <rect x={0} y={MARKS_PX + row * LANE_PX + 8} width={WIDTH} height={LANE_PX - 16} fill="var(--sunken)" rx={3} />
              {lane.stretches.map((stretch) => {
                const begin = x(stretch.since_s);
                const width = Math.max(1.5, x(stretch.until_s ?? untilS) - begin);
                return (
                  <rect key={stretch.since_s} x={begin} y={MARKS_PX + row * LANE_PX + 8} width={width} height={LANE_PX - 16} fill={STATE_COLOURS[stretch.state] ?? "var(--line-strong)"} opacity={isCalm(stretch.state) ? 0.35 : 0.9}>
                    <title>{`${inPlainWords(lane.name)}: ${inPlainWords(stretch.state)} from ${formatClock(stretch.since_s * 1_000)} for ${formatSpan((stretch.until_s ?? untilS) - stretch.since_s)}`}</title>
                  </rect>
                );
              })}
            </g>
          ))}
          {marks.map((mark) => (
            <line key={`${mark.kind} ${mark.at_s} ${mark.label}`} x1={x(mark.at_s)} x2={x(mark.at_s)} y1={2} y2={height - AXIS_PX} stroke={MARK_COLOURS[mark.kind] ?? "var(--ink)"} strokeWidth={1.5} strokeDasharray="3 2" vectorEffect="non-scaling-stroke">
              <title>{`${formatClock(mark.at_s * 1_000)} ${inPlainWords(mark.kind)}: ${mark.label}`}</title>
            </line>
          ))}
        </svg>
        <div aria-hidden="true" className="absolute inset-x-0 bottom-0 text-[11px] text-muted tabular-nums" style={{ height: AXIS_PX }}>
          {ticks.map((tick) => (
            <span key={tick} className="absolute top-1 -translate-x-1/2" style={{ left: `${x(tick) / 10}%` }}>
              {formatClock(tick * 1_000).slice(0, 5)}
            </span>
          ))}
        </div>
      </div>
    </div>
  );
}

function MarkList({ marks }: { marks: readonly Mark[] }) {
  if (marks.length === 0) return null;
  return (
    <details className="mt-2 border-t pt-2 text-xs">
      <summary className="inline-flex min-h-6 cursor-pointer items-center text-muted hover:text-ink">
        {marks.length === 1 ? "1 mark" : `${marks.length} marks`} in this range
      </summary>
      <ul className="mt-1 grid gap-x-4 gap-y-1 md:grid-cols-2">
        {[...marks].reverse().map((mark) => (
          <li key={`${mark.kind} ${mark.at_s} ${mark.label}`} className="flex items-baseline gap-2">
            <span className="tabular-nums">{formatClock(mark.at_s * 1_000)}</span>
            <span className="h-2 w-3 shrink-0 self-center rounded-sm" style={{ background: MARK_COLOURS[mark.kind] }} />
            <span className="shrink-0 font-medium">{inPlainWords(mark.kind)}</span>
            <span className="truncate text-muted">{mark.label}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

function LaneTable({ lanes }: { lanes: readonly Lane[] }) {
  const rows = lanes.flatMap((lane) => lane.stretches.map((stretch) => ({ lane: lane.name, ...stretch }))).sort((left, right) => right.since_s - left.since_s);
  return (
    <div className="-mx-4 max-h-72 overflow-y-auto px-4">
      <DataTable
        label="Dependencies and breakers, as a table"
        columns={[
          { id: "lane", header: "Lane", by: (row) => row.lane, cell: (row) => inPlainWords(row.lane) },
          { id: "state", header: "State", by: (row) => row.state, cell: (row) => inPlainWords(row.state) },
          { id: "since", header: "From", by: (row) => row.since_s, cell: (row) => formatInstant(row.since_s * 1_000) },
          { id: "until", header: "Until", by: (row) => row.until_s ?? Infinity, cell: (row) => (row.until_s === null ? "now" : formatInstant(row.until_s * 1_000)) },
        ]}
        rows={rows}
        keyOf={(row) => `${row.lane} ${row.since_s}`}
      />
    </div>
  );
}

function isCalm(state: string): boolean {
  return state === "up" || state === "closed" || state === "unknown";
}
