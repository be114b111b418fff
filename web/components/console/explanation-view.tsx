"use client";

/** One answer, taken apart: what was known, who was tried, what was filtered, what was shown. */

import { useState } from "react";
import { Copy, RotateCcw } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Badge, Empty, Facts, Panel } from "@/components/ui/panel";
import { post, type Schema } from "@/lib/console/api";
import { asCurl } from "@/lib/console/curl";
import { formatMs, formatShare, inPlainWords } from "@/lib/console/figures";
import { useAdmin, useChange } from "@/lib/console/queries";
import { reasonInWords } from "@/lib/sources";
import { formatInstant, formatSpan } from "@/lib/times";
import { DataTable } from "./data-table";
import { Moment } from "./moment";
import { Complaint, Loaded } from "./page-state";
import { DegradedMark, SourceMark } from "./source-mark";

type Explanation = Schema<"Explanation">;

export function ExplanationView({ recommendationId }: { recommendationId: string }) {
  const query = useAdmin("/v1/admin/decisions/{recommendation_id}", { recommendation_id: recommendationId });
  const replay = useChange(() => post("/v1/admin/decisions/{recommendation_id}/replay", { recommendation_id: recommendationId }, undefined));
  return (
    <Loaded query={query}>
      {(told) => (
        <div className="grid gap-3" data-testid="explanation-view">
          <Head told={told} onReplay={() => replay.mutate(undefined)} isReplaying={replay.isPending} />
          <Complaint error={replay.error} />
          {replay.data && replay.data.before.decision.recommendation_id === recommendationId && <ReplayPanel replay={replay.data} />}
          <div className="grid gap-3 xl:grid-cols-2">
            <Panel title="What was tried" note="in the ladder's order">
              <DataTable
                label="Attempts"
                columns={[
                  { id: "source", header: "Source", cell: (attempt) => <SourceMark source={attempt.source} /> },
                  { id: "outcome", header: "Outcome", isWide: true, cell: (attempt) => reasonInWords(attempt.outcome) },
                  { id: "items", header: "Items", cell: (attempt) => attempt.items, isNumber: true },
                  { id: "elapsed", header: "Took", cell: (attempt) => formatMs(attempt.elapsed_ms), isNumber: true },
                ]}
                rows={told.attempts}
                keyOf={(attempt) => attempt.source}
              />
            </Panel>
            <HistoryPanel history={told.history} known={told.history_known} />
          </div>
          <ShownPanel items={told.items} />
          <div className="grid gap-3 xl:grid-cols-2">
            <Candidates told={told} />
            <Hidden told={told} />
          </div>
        </div>
      )}
    </Loaded>
  );
}

function Head({ told, onReplay, isReplaying }: { told: Explanation; onReplay: () => void; isReplaying: boolean }) {
  const [isCopied, setCopied] = useState(false);
  const { decision } = told;
  const copy = async () => {
    await navigator.clipboard.writeText(asCurl(told));
    setCopied(true);
  };
  return (
    <Panel
      title={
        <>
          Answer <span className="font-mono font-normal">{decision.recommendation_id}</span>
        </>
      }
      actions={
        <>
          <Button size="small" onClick={() => void copy()} disabled={!told.request}>
            <Copy aria-hidden="true" className="size-3.5" /> {isCopied ? "Copied" : "Copy as curl"}
          </Button>
          <Button size="small" onClick={onReplay} disabled={isReplaying || !told.request}>
            <RotateCcw aria-hidden="true" className="size-3.5" /> Ask again now
          </Button>
        </>
      }
    >
      <div className="grid gap-x-8 gap-y-1 lg:grid-cols-3">
        <Facts
          facts={[
            ["When", formatInstant(Date.parse(decision.decided_at))],
            ["For", decision.user_id ?? decision.session_id ?? "a visitor nobody knows"],
            ["Placement", decision.placement],
            ["Context", told.request?.context_items?.join(", ") || "none"],
          ]}
        />
        <Facts
          facts={[
            ["Source", <SourceMark key="source" source={decision.source} />],
            ["Reason", reasonInWords(decision.reason)],
            ["Degraded", <DegradedMark key="degraded" isDegraded={decision.degraded} />],
            ["Elapsed", `${formatMs(decision.elapsed_ms)} of ${formatMs(decision.deadline_ms)}; history ${formatMs(told.history_ms)}, inference ${formatMs(told.inference_ms)}`],
          ]}
        />
        <Facts
          facts={[
            ["Model", decision.model_version ?? "none"],
            ["Snapshot", `${decision.snapshot_version}${told.snapshot_age_s === null ? "" : `, ${formatSpan(told.snapshot_age_s)} old`}`],
            ["Ladder", told.definition?.ladder?.map(inPlainWords).join(" ▸ ") ?? "not kept"],
            ["Read from", told.origin],
          ]}
        />
      </div>
      {told.note && <p className="mt-2 text-xs text-muted">{told.note}</p>}
    </Panel>
  );
}

export function HistoryPanel({ history, known }: { history: Explanation["history"]; known: number }) {
  return (
    <Panel title="What was known" note={`${known} interactions, newest first`}>
      {history.length === 0 ? (
        <Empty>Nothing was known of this shopper.</Empty>
      ) : (
        <div className="-mx-4 max-h-64 overflow-y-auto px-4">
          <DataTable
            label="History"
            columns={[
              { id: "item", header: "Item", isWide: true, cell: (each) => <ItemName itemId={each.item_id} title={each.title} /> },
              { id: "type", header: "What", by: (each) => each.event_type, cell: (each) => inPlainWords(each.event_type), className: "whitespace-nowrap" },
              { id: "age", header: "Before", by: (each) => each.age_s, cell: (each) => formatSpan(each.age_s), isNumber: true },
            ]}
            rows={history.map((each, place) => ({ ...each, place }))}
            keyOf={(each) => String(each.place)}
          />
        </div>
      )}
    </Panel>
  );
}

function ShownPanel({ items }: { items: Explanation["items"] }) {
  return (
    <Panel title="The list as it was answered" note={`${items.length} items`}>
      <DataTable
        label="The list as it was answered"
        columns={[
          { id: "rank", header: "#", by: (item) => item.rank, cell: (item) => item.rank, isNumber: true },
          { id: "item", header: "Item", isWide: true, by: (item) => item.item?.title ?? item.item_id, cell: (item) => <ItemName itemId={item.item_id} title={item.item?.title} /> },
          { id: "score", header: "Score", by: (item) => item.score, cell: (item) => item.score.toFixed(3), isNumber: true },
          { id: "source", header: "Source", by: (item) => item.source, cell: (item) => <SourceMark source={item.source} /> },
          { id: "reason", header: "Reason", cell: (item) => reasonInWords(item.reason) },
          { id: "because", header: "Because of", cell: (item) => <span className="text-xs text-muted">{item.because.map((cause) => `${cause.item_id} ${formatShare(cause.share)}`).join(", ") || "–"}</span> },
          { id: "now", header: "Now", cell: (item) => (item.eligible_now ? <span className="whitespace-nowrap text-muted">may be shown</span> : <Badge tone="warn">may not be shown</Badge>) },
        ]}
        rows={items}
        keyOf={(item) => item.item_id}
      />
    </Panel>
  );
}

function Candidates({ told }: { told: Explanation }) {
  return (
    <Panel title="What the model offered" note={`${told.candidates_known} candidates`}>
      {told.candidates.length === 0 ? (
        <Empty>The model had no part in this answer.</Empty>
      ) : (
        <div className="-mx-4 max-h-80 overflow-y-auto px-4">
          <DataTable
            label="Candidates"
            columns={[
              { id: "item", header: "Item", isWide: true, cell: (each) => <ItemName itemId={each.item_id} title={each.title} /> },
              { id: "score", header: "Score", by: (each) => each.score, cell: (each) => each.score.toFixed(3), isNumber: true },
              { id: "fate", header: "What became of it", by: (each) => each.rank ?? 999, cell: (each) => (each.rank ? `place ${each.rank}` : each.filtered ? <Badge tone="warn">{inPlainWords(each.filtered)}</Badge> : <span className="text-muted">the list was full</span>) },
            ]}
            rows={told.candidates}
            keyOf={(each) => each.item_id}
          />
        </div>
      )}
    </Panel>
  );
}

function Hidden({ told }: { told: Explanation }) {
  return (
    <Panel title="What was kept out" note={`${told.hidden_known} items, before any source was asked`}>
      {told.hidden.length === 0 ? (
        <Empty>Nothing was kept out.</Empty>
      ) : (
        <div className="-mx-4 max-h-80 overflow-y-auto px-4">
          <DataTable
            label="Kept out"
            columns={[
              { id: "item", header: "Item", isWide: true, cell: (each) => <ItemName itemId={each.item_id} title={each.title} /> },
              { id: "reason", header: "Why", by: (each) => each.reason, cell: (each) => <Badge>{inPlainWords(each.reason)}</Badge> },
            ]}
            rows={told.hidden}
            keyOf={(each) => each.item_id}
          />
        </div>
      )}
    </Panel>
  );
}

function ReplayPanel({ replay }: { replay: Schema<"Replay"> }) {
  return (
    <Panel title="The same question, asked now" note={`${formatShare(replay.same_items)} of the list is the same; recorded as a replay, counted nowhere`}>
      <p className="mb-2 flex flex-wrap items-center gap-3 text-sm">
        <SourceMark source={replay.now.decision.source} /> {reasonInWords(replay.now.decision.reason)} · {formatMs(replay.now.decision.elapsed_ms)} · <Moment at={replay.now.decision.decided_at} />
      </p>
      <DataTable
        label="Places then and now"
        columns={[
          { id: "item", header: "Item", isWide: true, cell: (move) => <ItemName itemId={move.item_id} title={[...replay.now.items, ...replay.before.items].find((item) => item.item_id === move.item_id)?.item?.title} /> },
          { id: "before", header: "Then", by: (move) => move.before ?? 999, cell: (move) => move.before ?? "–", isNumber: true },
          { id: "now", header: "Now", by: (move) => move.now ?? 999, cell: (move) => move.now ?? "–", isNumber: true },
        ]}
        rows={replay.moves}
        keyOf={(move) => move.item_id}
      />
      {replay.note && <p className="mt-2 text-xs text-muted">{replay.note}</p>}
    </Panel>
  );
}

export function ItemName({ itemId, title }: { itemId: string; title?: string | null | undefined }) {
  return (
    <span className="flex min-w-0 items-baseline gap-2">
      <span className="truncate">{title || itemId}</span>
      {title && <span className="shrink-0 font-mono text-[11px] text-muted">{itemId}</span>}
    </span>
  );
}
