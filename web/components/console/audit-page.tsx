"use client";

import { Button } from "@/components/ui/button";
import { TextField } from "@/components/ui/fields";
import { Empty, Panel } from "@/components/ui/panel";
import { inPlainWords } from "@/lib/console/figures";
import { useAdmin } from "@/lib/console/queries";
import { useView } from "@/lib/console/view";
import { DataTable } from "./data-table";
import { Moment } from "./moment";
import { Loaded } from "./page-state";

const FILTERS = ["actor", "action", "subject"] as const;

export function AuditPage() {
  const view = useView();
  const audit = useAdmin("/v1/admin/audit", { actor: view.get("actor"), action: view.get("action"), subject: view.get("subject"), before: view.get("before"), limit: 50 });
  const submit = (event: React.FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    view.set({ ...Object.fromEntries(FILTERS.map((name) => [name, String(fields.get(name) ?? "").trim()])), before: null });
  };
  return (
    <div className="grid gap-3">
      <form onSubmit={submit} role="search" aria-label="Audit log" className="flex flex-wrap items-end gap-2">
        {FILTERS.map((name) => (
          <TextField key={name} label={{ actor: "Who", action: "What", subject: "To what" }[name]} name={name} defaultValue={view.get(name)} className="w-48" />
        ))}
        <Button type="submit">Find</Button>
      </form>
      <Panel title="Audit log" note="newest first; nothing in it can be changed">
        <Loaded query={audit}>
          {(page) =>
            page.entries.length === 0 ? (
              <Empty command="evershelf items suppress ITEM">Nothing was changed by anybody yet.</Empty>
            ) : (
              <>
                <DataTable
                  label="Audit log"
                  columns={[
                    { id: "at", header: "When", by: (row) => row.at, cell: (row) => <Moment at={row.at} /> },
                    { id: "actor", header: "Who", by: (row) => row.actor, cell: (row) => row.actor },
                    { id: "action", header: "What", by: (row) => row.action, cell: (row) => <code className="font-mono text-xs">{row.action}</code> },
                    { id: "subject", header: "To what", by: (row) => row.subject, cell: (row) => <span className="font-mono text-xs">{row.subject}</span> },
                    { id: "detail", header: "Detail", cell: (row) => <span className="block max-w-xl truncate text-xs text-muted" title={JSON.stringify(row.detail)}>{told(row.detail)}</span> },
                  ]}
                  rows={page.entries}
                  keyOf={(row) => String(row.audit_id)}
                />
                {page.next_before && (
                  <Button size="small" className="mt-2" onClick={() => view.set({ before: String(page.next_before), live: "0" })}>
                    Older
                  </Button>
                )}
              </>
            )
          }
        </Loaded>
      </Panel>
    </div>
  );
}

function told(detail: Readonly<Record<string, unknown>>): string {
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => `${inPlainWords(name)}: ${typeof value === "string" ? value : Array.isArray(value) ? value.join(", ") : JSON.stringify(value)}`)
    .join(" · ");
}
