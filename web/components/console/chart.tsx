"use client";

/** A chart over time with its legend, and the same as a table for whoever reads better so. */

import { useEffect, useId, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { ChartLine, Table2 } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Panel } from "@/components/ui/panel";
import { firstStep, latest, lonePlaces, stacked, total, type Series } from "@/lib/console/plot";
import type { Schema } from "@/lib/console/api";
import { formatClock, formatInstant } from "@/lib/times";
import { DataTable, type Column } from "./data-table";
import { THEME_CHANGED } from "./theme-choice";

const HEIGHT_PX = 190;
const READOUT_PX = 16;
/** How far apart an axis may put its lines. */
const STEPS = {
  count: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 1_000_000],
  span: [1, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800],
} as const;
const TABLE_ROWS_MAX = 60;

type Timeline = Schema<"Timeline">;

interface ChartProps {
  readonly title: string;
  readonly note?: React.ReactNode;
  readonly timeline: Timeline;
  readonly series: readonly Series[];
  readonly format: (value: number | null) => string;
  readonly isStacked?: boolean;
  /** What the legend tells of each series: its sum over the range, or its newest value. */
  readonly tells?: "total" | "latest";
  readonly maximum?: number;
  /** Values are counts, of which there are no parts, or seconds, which are read as minutes and hours. */
  readonly unit?: keyof typeof STEPS;
}

type DrawnProps = Omit<ChartProps, "timeline"> & { readonly times: readonly number[] };

export function Chart({ timeline, series: whole, ...rest }: ChartProps) {
  const first = firstStep(timeline);
  const times = timeline.times_s.slice(first);
  const series = whole.map((each) => ({ ...each, values: each.values.slice(first) }));
  const props = { ...rest, times, series };
  const { title, note, format, isStacked = false, tells = isStacked ? "total" : "latest" } = props;
  const [isTable, setTable] = useState(false);
  return (
    <Panel
      title={title}
      note={note}
      actions={
        <Button kind="quiet" size="small" aria-pressed={isTable} onClick={() => setTable(!isTable)}>
          {isTable ? <ChartLine aria-hidden="true" className="size-3.5" /> : <Table2 aria-hidden="true" className="size-3.5" />}
          {isTable ? "Chart" : "Table"}
          <span className="sr-only"> of {title}</span>
        </Button>
      }
    >
      <ul className="mb-1 flex min-h-5 flex-wrap gap-x-4 gap-y-0.5 text-xs" aria-label={`Series of ${title}`}>
        {series.map((each) => (
          <li key={each.name} className="flex items-center gap-1.5">
            <span aria-hidden="true" className="h-2 w-3 rounded-sm" style={{ background: each.colour }} />
            <span className="text-muted">{each.name}</span>
            <span className="font-medium tabular-nums">{each.told ?? format(tells === "total" ? total(each) : latest(each))}</span>
          </li>
        ))}
      </ul>
      {isTable ? <ChartTable {...props} /> : <Plot {...props} isStacked={isStacked} />}
    </Panel>
  );
}

function ChartTable({ title, times, series, format }: DrawnProps) {
  const rows = times.map((time, place) => ({ time, place })).reverse().slice(0, TABLE_ROWS_MAX);
  const columns: Column<{ time: number; place: number }>[] = [
    { id: "time", header: "From", by: (row) => row.time, cell: (row) => formatInstant(row.time * 1_000), className: "tabular-nums whitespace-nowrap" },
    ...series.map((each, index): Column<{ time: number; place: number }> => ({
      id: `series-${index}`,
      header: each.name,
      by: (row) => each.values[row.place] ?? null,
      cell: (row) => format(each.values[row.place] ?? null),
      isNumber: true,
    })),
  ];
  return (
    <div className="-mx-4 overflow-y-auto px-4" style={{ height: HEIGHT_PX + READOUT_PX }}>
      <DataTable label={`${title}, as a table`} columns={columns} rows={rows} keyOf={(row) => String(row.time)} />
    </div>
  );
}

function Plot({ title, times, series, format, isStacked, unit, maximum }: DrawnProps & { isStacked: boolean }) {
  const frame = useRef<HTMLDivElement>(null);
  const readout = useId();
  const [theme, setTheme] = useState(0);
  const [hovered, setHovered] = useState<number | null>(null);
  const shape = JSON.stringify([series.map((each) => [each.name, each.colour, each.isDashed]), isStacked, maximum, theme]);
  const plot = useRef<uPlot | null>(null);
  const data = useRef<uPlot.AlignedData>([[]]);

  useEffect(() => {
    const redraw = () => setTheme((count) => count + 1);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    window.addEventListener(THEME_CHANGED, redraw);
    return () => {
      dark.removeEventListener("change", redraw);
      window.removeEventListener(THEME_CHANGED, redraw);
    };
  }, []);

  useEffect(() => {
    data.current = aligned(times, series, isStacked);
    plot.current?.setData(data.current);
  });

  useEffect(() => {
    const holder = frame.current;
    if (!holder) return;
    const made = new uPlot(options(holder, series, { isStacked, format, maximum, unit, onHover: setHovered }), data.current, holder);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: holder.clientWidth, height: HEIGHT_PX }));
    observer.observe(holder);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
    // The plot is made anew when its shape changes; new values only move its data.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [shape]);

  return (
    <>
      <div ref={frame} role="img" aria-label={`${title}: ${series.map((each) => `${each.name} ${format(latest(each))}`).join(", ")}`} aria-describedby={readout} style={{ height: HEIGHT_PX }} className="w-full" />
      <p id={readout} aria-hidden="true" className="h-4 truncate text-[11px] leading-4 text-muted tabular-nums">
        {hovered !== null && times[hovered] !== undefined && `${formatClock(times[hovered] * 1_000)}  ${series.map((each) => `${each.name} ${format(each.values[hovered] ?? null)}`).join("   ")}`}
      </p>
    </>
  );
}

function aligned(times: readonly number[], series: readonly Series[], isStacked: boolean): uPlot.AlignedData {
  const values = isStacked ? stacked(series).reverse() : series.map((each) => [...each.values]);
  return [[...times], ...values];
}

interface Look {
  readonly isStacked: boolean;
  readonly format: (value: number | null) => string;
  readonly maximum: number | undefined;
  readonly unit: keyof typeof STEPS | undefined;
  readonly onHover: (place: number | null) => void;
}

function options(holder: HTMLElement, series: readonly Series[], look: Look): uPlot.Options {
  const ink = resolved(holder, "var(--muted)");
  const line = resolved(holder, "var(--line)");
  const axis: uPlot.Axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  // A stack is drawn from the whole down, so that each lower sum covers the part that is not its own.
  const drawn = look.isStacked ? [...series].reverse() : series;
  return {
    width: holder.clientWidth,
    height: HEIGHT_PX,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: !look.isStacked }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, Math.max(look.maximum ?? 0, (high || 1) * 1.08)] } },
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: 70, values: (_plot, ticks, _axis, _space, stepS) => ticks.map((tick) => formatClock(tick * 1_000).slice(0, stepS < 60 ? 8 : 5)) },
      { ...axis, size: 58, space: 34, ...(look.unit ? { incrs: [...STEPS[look.unit]] } : {}), values: (_plot, ticks) => ticks.map((tick) => look.format(tick)) },
    ],
    series: [
      {},
      ...drawn.map((each): uPlot.Series => {
        const colour = resolved(holder, each.colour);
        return { label: each.name, stroke: colour, width: look.isStacked ? 1 : 1.5, ...(look.isStacked ? { fill: colour } : {}), ...(each.isDashed ? { dash: [5, 4] } : {}), points: look.isStacked ? { show: false } : { show: false, size: 5, width: 0, fill: colour, filter: (plot, place) => lonePlaces((plot.data[place] ?? []) as (number | null)[]) }, spanGaps: false };
      }),
    ],
    hooks: { setCursor: [(plot) => look.onHover(plot.cursor.idx ?? null)] },
  };
}

/** A colour of the theme as a canvas can use it. */
function resolved(holder: HTMLElement, colour: string): string {
  const probe = document.createElement("span");
  probe.style.color = colour;
  holder.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
