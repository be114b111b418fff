"use client";

import { useState } from "react";
import { Button } from "@/components/ui/button";
import { DialogWindow } from "@/components/ui/dialog";
import { CheckField, SelectField, TextField } from "@/components/ui/fields";
import { Badge, Panel } from "@/components/ui/panel";
import { post, type Schema } from "@/lib/console/api";
import { useAdmin, useChange } from "@/lib/console/queries";
import { DataTable } from "./data-table";
import { Moment } from "./moment";
import { Complaint, Loaded } from "./page-state";

type Row = Schema<"KeyRow">;
type Scope = Schema<"Scope">;
type Asked = { readonly row: Row; readonly deed: "rotate" | "revoke" };
/** How long the old key may still hold, in hours. */
const OVERLAPS = [
  [1, "an hour"],
  [24, "a day"],
  [168, "a week"],
  [720, "30 days"],
] as const;
const SCOPES: readonly Scope[] = ["recommend", "events", "catalog", "admin"];

export function KeysPage() {
  const keys = useAdmin("/v1/admin/keys", { limit: 100 });
  const [asked, setAsked] = useState<Asked | null>(null);
  const close = () => setAsked(null);
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
                { id: "quota", header: "Requests/s", by: (row) => row.quota_per_s, cell: (row) => row.quota_per_s ?? <span className="text-muted">as set</span>, className: "whitespace-nowrap" },
                { id: "state", header: "State", cell: (row) => <State row={row} /> },
                { id: "deeds", header: "Change", cell: (row) => <Deeds row={row} onAsk={setAsked} /> },
              ]}
              rows={page.keys}
              keyOf={(row) => row.key_id}
            />
          )}
        </Loaded>
      </Panel>
      {asked?.deed === "revoke" && <Revocation row={asked.row} onClose={close} />}
      {asked?.deed === "rotate" && <Rotation row={asked.row} onClose={close} />}
    </div>
  );
}

const isOver = (row: Row): boolean => row.revoked_at !== null && Date.parse(row.revoked_at) <= Date.now();

function State({ row }: { row: Row }) {
  if (isOver(row)) return <Badge tone="bad">revoked</Badge>;
  if (!row.own && !row.revoked_at) return <span className="text-muted">holds</span>;
  return (
    <span className="flex flex-wrap gap-1">
      {row.own && <Badge tone="accent">this console&apos;s</Badge>}
      {row.revoked_at && (
        <Badge tone="warn">
          rotated, ends <Moment at={row.revoked_at} />
        </Badge>
      )}
    </span>
  );
}

function Deeds({ row, onAsk }: { row: Row; onAsk: (asked: Asked) => void }) {
  if (isOver(row)) return null;
  return (
    <span className="flex justify-end gap-1">
      {!row.revoked_at && (
        <Button size="small" onClick={() => onAsk({ row, deed: "rotate" })}>
          Rotate<span className="sr-only"> {row.name}</span>
        </Button>
      )}
      {!row.own && (
        <Button size="small" onClick={() => onAsk({ row, deed: "revoke" })}>
          Revoke<span className="sr-only"> {row.name}</span>
        </Button>
      )}
    </span>
  );
}

function NewKey() {
  const make = useChange((request: Schema<"KeyRequest">) => post("/v1/admin/keys", {}, request));
  const submit = (event: React.FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const quota = String(fields.get("quota"));
    make.mutate({ name: String(fields.get("name")).trim(), scopes: fields.getAll("scopes") as Scope[], quota_per_s: quota ? Number(quota) : null });
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
        <TextField label="Requests a second, if not as set" name="quota" type="number" min={0.001} max={1_000_000} step="any" />
        <Button type="submit" kind="primary" disabled={make.isPending}>
          Make
        </Button>
        <Complaint error={make.error} />
        {make.data && <Told plain={make.data.key} />}
      </form>
    </Panel>
  );
}

function Told({ plain }: { plain: string }) {
  return (
    <div role="status" className="rounded-md bg-good-soft p-3 text-sm">
      <p>Copy it now, it is not told again:</p>
      <code className="mt-1 block font-mono text-xs break-all select-all">{plain}</code>
    </div>
  );
}

function Rotation({ row, onClose }: { row: Row; onClose: () => void }) {
  const rotate = useChange((overlap_s: number) => post("/v1/admin/keys/{key_id}/rotate", { key_id: row.key_id }, { overlap_s }));
  const submit = (event: React.FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    rotate.mutate(Number(new FormData(event.currentTarget).get("hours")) * 3_600);
  };
  return (
    <DialogWindow
      isOpen
      onClose={onClose}
      title={`Rotate ${row.name}?`}
      description={`Another key takes its place, with the same scopes and quota; this one ends after the overlap.${row.own ? " This console uses it: give the web part the new one and start it again before then." : ""}`}
    >
      <form onSubmit={submit} className="space-y-3" aria-label={`Rotate ${row.name}`}>
        {rotate.data ? (
          <Told plain={rotate.data.key} />
        ) : (
          <SelectField label="The old key still holds for" name="hours" defaultValue={24}>
            {OVERLAPS.map(([hours, label]) => (
              <option key={hours} value={hours}>
                {label}
              </option>
            ))}
          </SelectField>
        )}
        <Complaint error={rotate.error} />
        <div className="flex justify-end gap-2">
          <Button kind="quiet" onClick={onClose}>
            {rotate.data ? "Close" : "Cancel"}
          </Button>
          {!rotate.data && (
            <Button type="submit" kind="primary" disabled={rotate.isPending}>
              Rotate
            </Button>
          )}
        </div>
      </form>
    </DialogWindow>
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
