"use client";

import { Empty } from "@/components/ui/panel";
import { Button } from "@/components/ui/button";
import { SelectField, TextField } from "@/components/ui/fields";
import { Panel } from "@/components/ui/panel";
import { useAdmin } from "@/lib/console/queries";
import { useView, type View } from "@/lib/console/view";
import { SOURCES, SOURCE_NAMES } from "@/lib/sources";
import { DecisionTable } from "./decision-table";
import { ExplanationView } from "./explanation-view";
import { Loaded } from "./page-state";

const FILTERS = ["user", "session", "placement", "source", "reason", "degraded", "since", "before"] as const;

export function ExplainPage() {
  const view = useView();
  const id = view.get("id");
  const decisions = useAdmin("/v1/admin/decisions", {
    user_id: view.get("user"),
    session_id: view.get("session"),
    placement: view.get("placement"),
    source: view.get("source"),
    reason: view.get("reason"),
    degraded: view.get("degraded"),
    since: asInstant(view.get("since")),
    before: asInstant(view.get("before")),
    limit: 25,
  });
  return (
    <div className="grid gap-3">
      <Search view={view} key={FILTERS.map((name) => view.get(name)).join("|") + id} />
      {id && <ExplanationView recommendationId={id} />}
      <Panel title="Answers" note="newest first">
        <Loaded query={decisions}>
          {(page) =>
            page.decisions.length === 0 ? (
              <Empty command="evershelf recommend USER">No answer fits. Ask for one, or look for fewer things at once. {page.note}</Empty>
            ) : (
              <>
                <DecisionTable decisions={page.decisions} openId={id} onOpen={(row) => view.set({ id: row.recommendation_id })} />
                {page.note && <p className="mt-2 text-xs text-muted">{page.note}</p>}
                {page.next_before && (
                  <p className="mt-2">
                    <Button size="small" onClick={() => view.set({ before: page.next_before, live: "0" })}>
                      Older
                    </Button>
                  </p>
                )}
              </>
            )
          }
        </Loaded>
      </Panel>
    </div>
  );
}

function Search({ view }: { view: View }) {
  const submit = (event: React.FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    view.set(Object.fromEntries(["id", ...FILTERS].map((name) => [name, String(fields.get(name) ?? "").trim() || null])));
  };
  return (
    <form onSubmit={submit} role="search" aria-label="Answers" className="flex flex-wrap items-end gap-2">
      <TextField label="Recommendation id" name="id" defaultValue={view.get("id")} className="w-80 max-w-full" />
      <TextField label="User" name="user" defaultValue={view.get("user")} className="w-36" />
      <TextField label="Placement" name="placement" defaultValue={view.get("placement")} className="w-32" />
      <SelectField label="Source" name="source" defaultValue={view.get("source")} className="w-40">
        <option value="">Any</option>
        {SOURCES.map((source) => (
          <option key={source} value={source}>
            {SOURCE_NAMES[source]}
          </option>
        ))}
      </SelectField>
      <SelectField label="Degraded" name="degraded" defaultValue={view.get("degraded")} className="w-24">
        <option value="">Any</option>
        <option value="true">Yes</option>
        <option value="false">No</option>
      </SelectField>
      <TextField label="From" name="since" type="datetime-local" step={1} defaultValue={asLocal(view.get("since"))} className="w-48" />
      <TextField label="Before" name="before" type="datetime-local" step={1} defaultValue={asLocal(view.get("before"))} className="w-48" />
      <Button type="submit" kind="primary">
        Find
      </Button>
      <Button kind="quiet" onClick={() => view.set(Object.fromEntries(["id", ...FILTERS].map((name) => [name, null])))}>
        Clear
      </Button>
    </form>
  );
}

/** A time of the form or of the address, as the gateway takes it; nothing where it is none. */
function asInstant(text: string): string {
  const at = Date.parse(text);
  return Number.isNaN(at) ? "" : new Date(at).toISOString();
}

function asLocal(text: string): string {
  const at = Date.parse(text);
  if (Number.isNaN(at)) return "";
  const moment = new Date(at);
  return new Date(at - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
