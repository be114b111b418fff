"use client";

import { Empty, Figure, Panel } from "@/components/ui/panel";
import { classNames } from "@/lib/class-names";
import type { Schema } from "@/lib/console/api";
import { formatCount, formatShare, inPlainWords } from "@/lib/console/figures";
import { useAdmin } from "@/lib/console/queries";
import { useView } from "@/lib/console/view";
import { formatSpan } from "@/lib/times";
import { Chart } from "./chart";
import { DataTable } from "./data-table";
import { Loaded } from "./page-state";

const COLOURS = ["var(--source-model)", "var(--source-related)", "var(--source-popular-in-category)", "var(--source-popular)", "var(--source-static)", "var(--good)", "var(--warn)", "var(--bad)", "var(--line-strong)"];
const colourOf = (place: number) => COLOURS[place % COLOURS.length] ?? "var(--muted)";

export function DataHealthPage() {
  const { rangeS } = useView();
  const health = useAdmin("/v1/admin/data-health", { window_s: rangeS, points_max: 120 });
  return <Loaded query={health}>{(data) => <Health data={data} />}</Loaded>;
}

function Health({ data }: { data: Schema<"DataHealth"> }) {
  const { timeline } = data;
  const perSecond = (values: readonly number[]) => values.map((value) => value / timeline.step_s);
  const rate = (value: number | null) => (value === null ? "–" : `${value >= 10 ? value.toFixed(0) : value.toFixed(1)}/s`);
  const count = (value: number | null) => (value === null ? "–" : formatCount(Math.round(value)));
  const types = Object.entries(data.accepted_by_type);
  const rejects = Object.entries(data.rejects);
  return (
    <div className="grid gap-3">
      <dl className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-6">
        <Figure name="Events accepted" value={formatCount(data.accepted)} note="in this range" />
        <Figure name="Waiting in the spool" value={formatCount(data.spool_pending_now)} note={`${formatCount(data.spool_stored)} stored since the start`} tone={data.shipping_failures_in_a_row > 0 ? "warn" : "neutral"} />
        <Figure name="Dead letters" value={formatCount(data.dead_letters.total)} note={data.dead_letters.note ?? "refused by PostgreSQL"} tone={data.dead_letters.total > 0 ? "bad" : "neutral"} />
        <Figure name="Unknown items" value={formatShare(data.unknown_item_share)} note="of the accepted events" tone={(data.unknown_item_share ?? 0) > 0.05 ? "warn" : "neutral"} />
        <Figure name="Snapshot age" value={formatSpan(data.snapshot_age_s_now)} note={`${formatCount(data.snapshot_items)} items`} />
        <Figure name="Changed since" value={formatCount(data.items_changed_since)} note="items over the snapshot" />
      </dl>
      {data.shipping_error && data.shipping_failures_in_a_row > 0 && <p className="rounded-md bg-warn-soft px-3 py-2 text-sm text-warn">Shipping to PostgreSQL failed {data.shipping_failures_in_a_row} times in a row: {data.shipping_error}. Events wait on disk.</p>}
      <div className="grid gap-3 xl:grid-cols-2">
        {types.length > 0 ? (
          <Chart title="Events by type" note="a second" isStacked timeline={timeline} series={types.map(([type, values], place) => ({ name: inPlainWords(type), values: perSecond(values), colour: colourOf(place), told: formatCount(values.reduce((sum, value) => sum + value, 0)) }))} format={rate} />
        ) : (
          <Panel title="Events by type">
            <Empty command="evershelf demo traffic">No events arrived in this range.</Empty>
          </Panel>
        )}
        <Panel title="Lateness" note="from happening to being reported">
          <LatenessBars lateness={data.lateness} />
        </Panel>
        <Chart title="Spool depth" unit="count" note="events PostgreSQL does not have yet" timeline={timeline} series={[{ name: "pending", values: data.spool_pending, colour: "var(--source-related)" }]} format={count} />
        <Chart title="Snapshot age" unit="span" timeline={timeline} series={[{ name: "age", values: data.snapshot_age_s, colour: "var(--source-popular-in-category)" }]} format={(value) => (value === null ? "–" : formatSpan(value))} />
        <Panel title="Rejected" note="told to the sender, with what to mend">
          {rejects.length === 0 ? (
            <Empty>Nothing was rejected in this range.</Empty>
          ) : (
            <ReasonTable label="Rejected events by reason" rows={rejects.map(([reason, values]) => [reason, values.reduce((sum, value) => sum + value, 0)])} />
          )}
        </Panel>
        <Panel title="Dead letters" note={data.dead_letters.note ?? "accepted, but PostgreSQL refused them"}>
          {Object.keys(data.dead_letters.by_reason).length === 0 ? <Empty>No event is buried.</Empty> : <ReasonTable label="Dead letters by reason" rows={Object.entries(data.dead_letters.by_reason)} />}
        </Panel>
      </div>
    </div>
  );
}

function ReasonTable({ label, rows }: { label: string; rows: [string, number][] }) {
  return (
    <DataTable
      label={label}
      columns={[
        { id: "reason", header: "Reason", by: ([reason]) => reason, cell: ([reason]) => <code className="font-mono text-xs">{reason}</code> },
        { id: "events", header: "Events", by: ([, count]) => count, cell: ([, count]) => formatCount(count), isNumber: true },
      ]}
      rows={rows}
      keyOf={([reason]) => reason}
    />
  );
}

function LatenessBars({ lateness }: { lateness: Schema<"Lateness"> }) {
  const most = Math.max(1, ...lateness.counts);
  const whole = lateness.counts.reduce((sum, count) => sum + count, 0);
  if (whole === 0) return <Empty>Nothing to measure in this range.</Empty>;
  return (
    <table className="w-full text-sm">
      <thead className="sr-only">
        <tr>
          <th scope="col">Lateness</th>
          <th scope="col">Events</th>
        </tr>
      </thead>
      <tbody>
        {lateness.counts.map((count, place) => {
          const bound = lateness.bounds_s[place];
          const before = lateness.bounds_s[place - 1];
          const label = bound === undefined ? `over ${formatSpan(before ?? 0)}` : before === undefined ? `within ${formatSpan(bound)}` : `${formatSpan(before)} to ${formatSpan(bound)}`;
          return (
            <tr key={label}>
              <th scope="row" className="w-28 py-0.5 pr-3 text-left text-xs font-normal whitespace-nowrap text-muted">
                {label}
              </th>
              <td className="py-0.5">
                <span className="flex items-center gap-2">
                  <span aria-hidden="true" className="h-3 rounded-sm bg-[var(--source-related)]" style={{ width: `${(count / most) * 70}%`, minWidth: count > 0 ? 2 : 0 }} />
                  <span className={classNames("text-xs tabular-nums", count === 0 && "text-muted")}>{formatCount(count)}</span>
                </span>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
