"use client";

import { useState } from "react";
import { Check, X } from "lucide-react";
import { Button } from "@/components/ui/button";
import { Badge, Empty, Facts, Panel } from "@/components/ui/panel";
import { post, type Schema } from "@/lib/console/api";
import { formatBytes, formatCount, formatMetric, metricName, UNKNOWN } from "@/lib/console/figures";
import { useAdmin, useChange } from "@/lib/console/queries";
import { useView } from "@/lib/console/view";
import { formatInstant } from "@/lib/times";
import { ConfirmDialog } from "./confirm-dialog";
import { DataTable } from "./data-table";
import { Moment } from "./moment";
import { Loaded } from "./page-state";

type Page = Schema<"ModelPage">;

export function ModelsPage() {
  const view = useView();
  const models = useAdmin("/v1/admin/models", { after: view.get("after"), limit: 25 });
  return (
    <Loaded query={models}>
      {(page) => {
        const version = view.get("version") || page.aliases.find(({ name }) => name === "champion")?.pointer?.version || page.models[0]?.version || "";
        return page.models.length === 0 ? (
          <Empty command="evershelf train">There is no model version yet. Train one from the events.</Empty>
        ) : (
          <div className="grid gap-3">
            <Aliases page={page} />
            <Versions page={page} version={version} />
            {version && <VersionView version={version} page={page} />}
          </div>
        );
      }}
    </Loaded>
  );
}

function Aliases({ page }: { page: Page }) {
  const [isAsking, setAsking] = useState(false);
  const rollBack = useChange((reason: string) => post("/v1/admin/models/roll-back", {}, { reason }));
  const champion = page.aliases.find(({ name }) => name === "champion");
  return (
    <Panel
      title="Aliases"
      note="what each name means now, and its last moves"
      actions={
        <Button size="small" onClick={() => setAsking(true)} disabled={(champion?.moves.length ?? 0) < 2}>
          Roll back
        </Button>
      }
    >
      <div className="grid gap-4 lg:grid-cols-2">
        {page.aliases.map((alias) => (
          <div key={alias.name}>
            <p className="flex items-center gap-2 text-sm">
              <AliasChip name={alias.name} /> <span className="font-mono text-xs">{alias.pointer?.version ?? "names nothing"}</span>
            </p>
            <ol className="mt-1 space-y-0.5 text-xs text-muted">
              {alias.moves.slice(0, 4).map((move) => (
                <li key={move.sequence}>
                  <Moment at={move.moved_at} /> to <span className="font-mono">{move.version}</span> by {move.moved_by}: {move.reason}
                </li>
              ))}
            </ol>
          </div>
        ))}
      </div>
      <p className="mt-2 text-xs text-muted">
        Serving here: <span className="font-mono">{page.serving ?? "no model answer yet"}</span>
        {page.unreadable > 0 && ` · ${page.unreadable} versions are not sound and cannot serve`}
      </p>
      <ConfirmDialog
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title="Roll back the champion"
        description="The version that served before becomes the champion again. It is in use within seconds; no request is lost."
        word="roll back"
        action="Roll back"
        change={rollBack}
        input={(reason) => reason}
      />
    </Panel>
  );
}

function Versions({ page, version }: { page: Page; version: string }) {
  const view = useView();
  return (
    <Panel title="Versions" note="newest first">
      <DataTable
        label="Model versions"
        columns={[
          { id: "version", header: "Version", by: (row) => row.version, cell: (row) => <span className="font-mono text-xs whitespace-nowrap">{row.version}</span> },
          { id: "aliases", header: "Aliases", cell: (row) => <span className="flex gap-1">{row.aliases.map((name) => <AliasChip key={name} name={name} />)}</span> },
          { id: "gate", header: "Gate", by: (row) => Number(row.gate_passed), cell: (row) => (row.gate_passed ? <Badge tone="good">passed</Badge> : <Badge tone="bad">failed</Badge>) },
          { id: "algorithm", header: "Algorithm", by: (row) => row.algorithm, isWide: true, cell: (row) => <span className="block truncate">{row.algorithm}</span> },
          { id: "made", header: "Made", by: (row) => row.created_at, cell: (row) => <Moment at={row.created_at} /> },
          { id: "events", header: "Events", by: (row) => row.events, cell: (row) => formatCount(row.events), isNumber: true },
          { id: "items", header: "Items", by: (row) => row.items, cell: (row) => formatCount(row.items), isNumber: true },
          ...figureNames(page).map((name) => ({ id: name, header: metricName(name), by: (row: Schema<"ModelRow">) => row.metrics[name] ?? null, cell: (row: Schema<"ModelRow">) => row.metrics[name]?.toFixed(3) ?? "–", isNumber: true })),
        ]}
        rows={page.models}
        keyOf={(row) => row.version}
        onOpen={(row) => view.set({ version: row.version })}
        isOpen={(row) => row.version === version}
      />
    </Panel>
  );
}

/** The figures that say most, as far as these versions have them. */
function figureNames(page: Page): string[] {
  const names = [...new Set(page.models.flatMap((row) => Object.keys(row.metrics)))].filter((name) => !/popularity|champion|gain/.test(name));
  const wanted = names.filter((name) => /ndcg|recall/i.test(name));
  return (wanted.length > 0 ? wanted : names).slice(0, 2);
}

function VersionView({ version, page }: { version: string; page: Page }) {
  const query = useAdmin("/v1/admin/models/{version}", { version });
  const [isAsking, setAsking] = useState(false);
  const champion = page.aliases.find(({ name }) => name === "champion");
  const promote = useChange((input: { reason: string; despiteGate: boolean }) =>
    post("/v1/admin/models/{version}/promote", { version }, { reason: input.reason, expected_sequence: champion?.pointer?.sequence ?? null, despite_gate: input.despiteGate }),
  );
  return (
    <Loaded query={query}>
      {(detail) => {
        const isChampion = champion?.pointer?.version === version;
        const hasFailed = !detail.row.gate_passed;
        return (
          <div className="grid gap-3 xl:grid-cols-[3fr_2fr]" data-testid="version-view">
            <Panel
              title="The gate's checklist"
              note={<span className="font-mono">{version}</span>}
              actions={
                <Button size="small" kind={hasFailed ? "danger" : "primary"} disabled={isChampion} onClick={() => setAsking(true)}>
                  {isChampion ? "Is the champion" : "Promote"}
                </Button>
              }
            >
              <ul className="divide-y text-sm">
                {detail.gate.map((check) => (
                  <li key={check.name} className="flex items-start gap-2 py-1.5">
                    {check.passed ? <Check aria-label="passed" className="mt-0.5 size-4 shrink-0 text-good" /> : <X aria-label="failed" className="mt-0.5 size-4 shrink-0 text-bad" />}
                    <span className="w-44 shrink-0 font-medium">{check.name.replaceAll("_", " ")}</span>
                    <span className="min-w-0 text-muted tabular-nums">{check.detail}</span>
                  </li>
                ))}
              </ul>
            </Panel>
            <Panel title="What it is">
              <Facts
                facts={[
                  ["Algorithm", detail.row.algorithm],
                  ["Learnt from", `${formatInstant(Date.parse(detail.data.since))} to ${formatInstant(Date.parse(detail.data.until))}`],
                  ["Events", `${formatCount(detail.data.events)} by ${formatCount(detail.data.users)} users on ${formatCount(detail.data.items)} items`],
                  ["Size", formatBytes(detail.size_bytes)],
                  ["Code, seed", `${detail.code_version}, ${detail.seed}`],
                  ...Object.entries(detail.row.metrics).map(([name, value]): [string, string] => [metricName(name), formatMetric(value)]),
                  ...Object.entries(detail.parameters).map(([name, value]): [string, string] => [metricName(name), value === null ? UNKNOWN : String(value)]),
                ]}
              />
            </Panel>
            <ConfirmDialog
              isOpen={isAsking}
              onClose={() => setAsking(false)}
              title={`Promote ${version}`}
              description={hasFailed ? "This version failed the gate. Promote it only if you know why that does not matter." : "It becomes the champion and serves within seconds; the one before stays ready for a rollback."}
              word={hasFailed ? "despite the gate" : "promote"}
              action="Promote"
              change={promote}
              input={(reason) => ({ reason, despiteGate: hasFailed })}
            />
          </div>
        );
      }}
    </Loaded>
  );
}

export function AliasChip({ name }: { name: string }) {
  return <Badge tone={name === "champion" ? "accent" : "neutral"}>{name}</Badge>;
}
