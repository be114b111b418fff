"use client";

import Link from "next/link";
import { Button, buttonClasses } from "@/components/ui/button";
import { Badge, Empty, Facts, Panel, type Tone } from "@/components/ui/panel";
import { post, type Schema } from "@/lib/console/api";
import { formatCount, formatMs, formatShare, inPlainWords } from "@/lib/console/figures";
import { useAdmin, useChange } from "@/lib/console/queries";
import { useView } from "@/lib/console/view";
import { DataTable } from "./data-table";
import { DrillForm } from "./drill-form";
import { Moment, useNow } from "./moment";
import { Complaint, Loaded } from "./page-state";
import { SourceMark } from "./source-mark";
import { formatSpan } from "@/lib/times";

type Drill = Schema<"Drill">;

export const DRILL_WORDS: Readonly<Record<Schema<"DrillKind">, string>> = {
  inference_off: "Inference refuses",
  inference_delayed: "Inference answers late",
  history_off: "Histories cannot be read",
  rungs_off: "Rungs of the ladder are missing",
};

const END_TONES: Readonly<Record<string, Tone>> = { expired: "good", stopped: "neutral", guard: "bad", closed: "warn" };

export function DrillsPage() {
  const view = useView();
  const drills = useAdmin("/v1/admin/drills");
  return (
    <div className="grid gap-3 xl:grid-cols-[22rem_1fr]">
      <DrillForm />
      <Loaded query={drills}>
        {(page) => {
          const openId = view.get("drill");
          const open = [...page.active, ...page.reports].find((drill) => drill.drill_id === openId);
          return (
            <div className="grid content-start gap-3">
              {page.active.map((drill) => (
                <Running key={drill.drill_id} drill={drill} />
              ))}
              <Panel title="Reports" note="newest first; kept on the gateway's disk">
                {page.reports.length === 0 ? (
                  <Empty>No drill has ended yet. Start one: it takes a share of the traffic, ends by itself, and stops early where answers suffer.</Empty>
                ) : (
                  <DataTable
                    label="Drill reports"
                    columns={[
                      { id: "kind", header: "Fault", by: (row) => row.request.kind, cell: (row) => DRILL_WORDS[row.request.kind] },
                      { id: "started", header: "Began", by: (row) => row.started_at, cell: (row) => <Moment at={row.started_at} /> },
                      { id: "share", header: "Share", by: (row) => row.request.share ?? 0, cell: (row) => formatShare(row.request.share), isNumber: true },
                      { id: "hit", header: "Answers hit", by: (row) => row.hit.answers, cell: (row) => formatCount(row.hit.answers), isNumber: true },
                      { id: "valid", header: "Valid, in time", by: (row) => row.hit.valid_in_time_share, cell: (row) => formatShare(row.hit.valid_in_time_share), isNumber: true },
                      { id: "end", header: "End", by: (row) => row.end ?? "", cell: (row) => <Badge tone={END_TONES[row.end ?? ""] ?? "neutral"}>{row.end === "guard" ? "stopped itself" : row.end}</Badge> },
                      { id: "actor", header: "By", by: (row) => row.actor, cell: (row) => <span className="text-muted">{row.actor}</span> },
                    ]}
                    rows={page.reports}
                    keyOf={(row) => row.drill_id}
                    onOpen={(row) => view.set({ drill: row.drill_id })}
                    isOpen={(row) => row.drill_id === openId}
                  />
                )}
                {page.note && <p className="mt-2 text-xs text-muted">{page.note}</p>}
              </Panel>
              {open && <Report drill={open} />}
            </div>
          );
        }}
      </Loaded>
    </div>
  );
}

function Running({ drill }: { drill: Drill }) {
  const nowMs = useNow();
  const stop = useChange(() => post("/v1/admin/drills/{drill_id}/stop", { drill_id: drill.drill_id }, undefined));
  const leftS = Math.max(0, (Date.parse(drill.ends_at) - nowMs) / 1_000);
  return (
    <Panel
      title={
        <span className="flex items-center gap-2">
          <span aria-hidden="true" className="size-2 animate-pulse rounded-full bg-warn" /> {DRILL_WORDS[drill.request.kind]}
        </span>
      }
      note={`ends by itself in ${formatSpan(leftS)}; stops early below ${formatShare(drill.request.valid_share_min)} valid answers`}
      className="border-warn"
      actions={
        <>
          <Link href="/console/resilience?range=900" className={buttonClasses({ size: "small" })}>
            Watch
          </Link>
          <Button size="small" kind="danger" onClick={() => stop.mutate(undefined)} disabled={stop.isPending}>
            Stop now
          </Button>
        </>
      }
    >
      <Complaint error={stop.error} />
      <Tallies drill={drill} />
    </Panel>
  );
}

function Report({ drill }: { drill: Drill }) {
  return (
    <Panel title="Report" note={<span className="font-mono">{drill.drill_id}</span>}>
      <Facts
        facts={[
          ["Fault", `${DRILL_WORDS[drill.request.kind]}${drill.request.delay_ms ? `, by ${drill.request.delay_ms} ms` : ""}${drill.request.rungs?.length ? `: ${drill.request.rungs.map(inPlainWords).join(", ")}` : ""}`],
          ["Limit", `${formatShare(drill.request.share)} of ${drill.request.placement ?? "all placements"}, ${formatSpan(drill.request.duration_s ?? 0)} at most`],
          ["Why", drill.request.reason || "not said"],
          ["By", drill.actor],
        ]}
      />
      <div className="mt-3">
        <Tallies drill={drill} />
      </div>
    </Panel>
  );
}

function Tallies({ drill }: { drill: Drill }) {
  const sides = [
    { name: "Hit by the fault", tally: drill.hit },
    { name: "Spared", tally: drill.spared },
  ];
  return (
    <div className="grid gap-4 sm:grid-cols-2" data-testid="drill-tallies">
      {sides.map(({ name, tally }) => (
        <div key={name}>
          <p className="mb-1 text-sm font-medium">{name}</p>
          <Facts
            facts={[
              ["Answers", formatCount(tally.answers)],
              ["Valid and in time", formatShare(tally.valid_in_time_share)],
              ["Degraded", formatCount(tally.degraded)],
              ["Mean, longest", `${formatMs(tally.elapsed_ms_mean)}, ${formatMs(tally.elapsed_ms_max)}`],
              ...Object.entries(tally.by_source).map(([source, count]): [string, React.ReactNode] => [formatCount(count), <SourceMark key={source} source={source} />]),
            ]}
          />
        </div>
      ))}
    </div>
  );
}
