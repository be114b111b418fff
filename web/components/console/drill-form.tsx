"use client";

/** A fault to be played: what, to whom, for how long, and when it stops by itself. */

import { useState } from "react";
import { Button } from "@/components/ui/button";
import { CheckField, SelectField, TextField } from "@/components/ui/fields";
import { Panel } from "@/components/ui/panel";
import { post, type Schema } from "@/lib/console/api";
import { useAdmin, useChange } from "@/lib/console/queries";
import { SOURCES, SOURCE_NAMES, type Source } from "@/lib/sources";
import { DRILL_WORDS } from "./drills-page";
import { Complaint } from "./page-state";

type Kind = Schema<"DrillKind">;

export function DrillForm() {
  const placements = useAdmin("/v1/admin/placements");
  const [kind, setKind] = useState<Kind>("inference_off");
  const start = useChange((request: Schema<"DrillRequest">) => post("/v1/admin/drills", {}, request));
  const submit = (event: React.FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    start.mutate(asRequest(kind, new FormData(event.currentTarget)));
  };
  return (
    <Panel title="Run a drill" note="inside the gateway, at the boundary to the source" className="self-start">
      <form onSubmit={submit} className="space-y-3" aria-label="Run a drill">
        <SelectField label="Fault" value={kind} onChange={(event) => setKind(event.target.value as Kind)}>
          {Object.entries(DRILL_WORDS).map(([name, words]) => (
            <option key={name} value={name}>
              {words}
            </option>
          ))}
        </SelectField>
        {kind === "inference_delayed" && <TextField label="Delay, ms" name="delay_ms" type="number" min={1} max={5000} defaultValue={300} required />}
        {kind === "rungs_off" && (
          <fieldset>
            <legend className="text-xs text-muted">Rungs that are missing; static stays</legend>
            {SOURCES.filter((source) => source !== "static").map((source) => (
              <CheckField key={source} name="rungs" value={source} label={SOURCE_NAMES[source]} defaultChecked={source === "model"} />
            ))}
          </fieldset>
        )}
        <div className="grid grid-cols-2 gap-2">
          <TextField label="Share of requests, %" name="share" type="number" min={1} max={100} defaultValue={10} required />
          <TextField label="Longest, s" name="duration_s" type="number" min={1} max={3600} defaultValue={60} required />
        </div>
        <SelectField label="Placement" name="placement">
          <option value="">All</option>
          {(placements.data ?? []).map(({ placement }) => (
            <option key={placement.name}>{placement.name}</option>
          ))}
        </SelectField>
        <TextField label="Stop by itself below, % valid and in time" name="valid_share_min" type="number" min={0} max={100} defaultValue={90} required />
        <TextField label="Why, for the audit log" name="reason" maxLength={500} />
        <Button type="submit" kind="danger" disabled={start.isPending} className="w-full">
          Start the drill
        </Button>
        <Complaint error={start.error} />
      </form>
    </Panel>
  );
}

function asRequest(kind: Kind, fields: FormData): Schema<"DrillRequest"> {
  const number = (name: string) => Number(fields.get(name));
  return {
    kind,
    share: number("share") / 100,
    duration_s: number("duration_s"),
    placement: String(fields.get("placement") ?? "") || null,
    valid_share_min: number("valid_share_min") / 100,
    reason: String(fields.get("reason") ?? ""),
    delay_ms: kind === "inference_delayed" ? number("delay_ms") : null,
    rungs: kind === "rungs_off" ? (fields.getAll("rungs") as Source[]) : [],
  };
}
