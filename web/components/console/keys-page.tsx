"use client";

import { useState } from "react";
import { Button } from "@/components/ui/button";
import { DialogWindow } from "@/components/ui/dialog";
import { CheckField, TextField } from "@/components/ui/fields";
import { Badge, Panel } from "@/components/ui/panel";
import { post, type Schema } from "@/lib/console/api";
import { useAdmin, useChange } from "@/lib/console/queries";
import { DataTable } from "./data-table";
import { Moment } from "./moment";
import { Complaint, Loaded } from "./page-state";

type Row = Schema<"KeyRow">;
type Scope = Schema<"Scope">;
const SCOPES: readonly Scope[] = ["recommend", "events", "catalog", "admin"];

export function KeysPage() {
  const keys = useAdmin("/v1/admin/keys", { limit: 100 });
  const [revoking, setRevoking] = useState<Row | null>(null);
  return (
    <div className="grid gap-3 xl:grid-cols-[22rem_1fr]">
      <NewKey />
      <Panel title="Keys" note="what is secret of them is kept nowhere" className="self-start">
        <Loaded query={keys}>
          {(page) => (
            <DataTable
              label="Keys"
              columns={[
                { id: "name", header: "Name", by: (row) => row.name, cell: (row) => row.name, className: "whitespace-nowrap" },
                { id: "id", header: "Id", cell: (row) => <span className="font-mono text-xs">{row.key_id}</span> },
                { id: "scopes", header: "May", cell: (row) => <span className="flex gap-1">{row.scopes.map((scope) => <Badge key={scope} tone={scope === "admin" ? "warn" : "neutral"}>{scope}</Badge>)}</span> },
                { id: "made", header: "Made", by: (row) => row.created_at, cell: (row) => <Moment at={row.created_at} /> },
                {
                  id: "state",
                  header: "State",
                  cell: (row) =>
                    row.revoked_at && Date.parse(row.revoked_at) <= Date.now() ? <Badge tone="bad">revoked</Badge> : row.revoked_at ? <Badge tone="warn">rotated, ends <Moment at={row.revoked_at} /></Badge> : row.own ? <Badge tone="accent">this console&apos;s</Badge> : <Button size="small" onClick={() => setRevoking(row)}>Revoke<span className="sr-only"> {row.name}</span></Button>,
                },
              ]}
              rows={page.keys}
              keyOf={(row) => row.key_id}
            />
          )}
        </Loaded>
      </Panel>
      {revoking && <Revocation row={revoking} onClose={() => setRevoking(null)} />}
    </div>
  );
}

function NewKey() {
  const make = useChange((request: Schema<"KeyRequest">) => post("/v1/admin/keys", {}, request));
  const submit = (event: React.FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    make.mutate({ name: String(fields.get("name")).trim(), scopes: fields.getAll("scopes") as Scope[] });
    event.currentTarget.reset();
  };
  return (
    <Panel title="Make a key" note="told once" className="self-start">
      <form onSubmit={submit} className="space-y-3" aria-label="Make a key">
        <TextField label="Name: who uses it" name="name" required maxLength={100} />
        <fieldset>
          <legend className="text-xs text-muted">It may</legend>
          {SCOPES.map((scope) => (
            <CheckField key={scope} name="scopes" value={scope} label={scope} defaultChecked={scope === "recommend" || scope === "events"} />
          ))}
        </fieldset>
        <Button type="submit" kind="primary" disabled={make.isPending}>
          Make
        </Button>
        <Complaint error={make.error} />
        {make.data && (
          <div role="status" className="rounded-md bg-good-soft p-3 text-sm">
            <p>Copy it now, it is not told again:</p>
            <code className="mt-1 block font-mono text-xs break-all select-all">{make.data.key}</code>
          </div>
        )}
      </form>
    </Panel>
  );
}

function Revocation({ row, onClose }: { row: Row; onClose: () => void }) {
  const revoke = useChange(() => post("/v1/admin/keys/{key_id}/revoke", { key_id: row.key_id }, undefined));
  return (
    <DialogWindow isOpen onClose={onClose} title={`Revoke ${row.name}?`} description="Whoever calls with it is refused within seconds. It cannot be undone.">
      <Complaint error={revoke.error} />
      <div className="flex justify-end gap-2">
        <Button kind="quiet" onClick={onClose}>
          Cancel
        </Button>
        <Button kind="danger" disabled={revoke.isPending} onClick={() => revoke.mutate(undefined, { onSuccess: onClose })}>
          Revoke
        </Button>
      </div>
    </DialogWindow>
  );
}
