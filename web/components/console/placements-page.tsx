"use client";

import { useState } from "react";
import { ArrowDown, ArrowUp } from "lucide-react";
import { Button } from "@/components/ui/button";
import { CheckField, SelectField, TextField } from "@/components/ui/fields";
import { Badge, Empty, Panel } from "@/components/ui/panel";
import { post, put, type Schema } from "@/lib/console/api";
import { formatCount, inPlainWords } from "@/lib/console/figures";
import { useAdmin, useChange } from "@/lib/console/queries";
import { useView } from "@/lib/console/view";
import { SOURCES, type Source } from "@/lib/sources";
import { DataTable } from "./data-table";
import { Complaint, Loaded } from "./page-state";
import { PreviewList } from "./preview-list";
import { SourceMark } from "./source-mark";

type State = Schema<"PlacementState">;
type Placement = Required<Schema<"Placement">>;

export function PlacementsPage() {
  const view = useView();
  const name = view.get("name");
  const placements = useAdmin("/v1/admin/placements");
  return (
    <Loaded query={placements}>
      {(states) => {
        const open = states.find(({ placement }) => placement.name === name);
        return (
          <div className="grid gap-3">
            <Panel title="Placements" note="in force on this gateway">
              <DataTable
                label="Placements"
                columns={[
                  { id: "name", header: "Name", by: (row) => row.placement.name, cell: (row) => <span className="whitespace-nowrap">{row.placement.name}</span> },
                  { id: "ladder", header: "Ladder", cell: (row) => <span className="flex flex-wrap gap-x-3">{row.placement.ladder?.map((source) => <SourceMark key={source} source={source} />)}</span> },
                  { id: "k", header: "k", by: (row) => row.placement.k ?? 0, cell: (row) => row.placement.k, isNumber: true },
                  { id: "deadline", header: "Deadline", by: (row) => row.placement.deadline_ms ?? 0, cell: (row) => `${row.placement.deadline_ms} ms`, isNumber: true },
                  { id: "seen", header: "Seen items", by: (row) => row.placement.seen_items ?? "", cell: (row) => inPlainWords(row.placement.seen_items ?? ""), className: "whitespace-nowrap" },
                  { id: "answers", header: "Answers in 1 h", by: (row) => row.answers_last_hour, cell: (row) => formatCount(row.answers_last_hour), isNumber: true },
                  { id: "default", header: "Definition", cell: (row) => (row.default ? <Badge>as installed</Badge> : <Badge tone="accent">edited</Badge>) },
                ]}
                rows={states}
                keyOf={(row) => row.placement.name}
                onOpen={(row) => view.set({ name: row.placement.name })}
                isOpen={(row) => row.placement.name === name}
              />
            </Panel>
            {open ? <Editor key={`${name} ${open.version}`} state={open} /> : <Empty>Choose a placement to edit it, and to see what the edit would answer before it is saved.</Empty>}
          </div>
        );
      }}
    </Loaded>
  );
}

function Editor({ state }: { state: State }) {
  const [draft, setDraft] = useState<Placement>(state.placement as Placement);
  const [user, setUser] = useState("");
  const preview = useChange(() => post("/v1/admin/placements/preview", {}, { placement: draft, user_id: user || null, context_items: [] }));
  const save = useChange(() => put("/v1/admin/placements/{name}", { name: draft.name }, { placement: draft, expected_version: state.version }));
  const isChanged = JSON.stringify(draft) !== JSON.stringify(state.placement);
  const change = (part: Partial<Placement>) => setDraft({ ...draft, ...part });
  return (
    <div className="grid gap-3 xl:grid-cols-[22rem_1fr]" data-testid="placement-editor">
      <Panel title={`Edit ${draft.name}`} note={isChanged ? "not saved" : "as it is in force"}>
        <form
          className="space-y-3"
          onSubmit={(event) => {
            event.preventDefault();
            save.mutate(undefined);
          }}
        >
          <LadderField ladder={draft.ladder} onChange={(ladder) => change({ ladder })} />
          <div className="grid grid-cols-2 gap-2">
            <TextField label="k, items" type="number" min={1} max={100} value={draft.k} onChange={(event) => change({ k: Number(event.target.value) })} />
            <TextField label="Deadline, ms" type="number" min={20} max={2000} value={draft.deadline_ms} onChange={(event) => change({ deadline_ms: Number(event.target.value) })} />
          </div>
          <SelectField label="Items the user has seen" value={draft.seen_items} onChange={(event) => change({ seen_items: event.target.value as Placement["seen_items"] })}>
            <option value="show">show</option>
            <option value="hide_purchased">hide what was purchased</option>
            <option value="hide">hide all</option>
          </SelectField>
          <TextField label="Preview for user (empty: a new visitor)" value={user} onChange={(event) => setUser(event.target.value.trim())} />
          <div className="flex flex-wrap gap-2">
            <Button onClick={() => preview.mutate(undefined)} disabled={preview.isPending}>
              Preview
            </Button>
            <Button type="submit" kind="primary" disabled={!isChanged || save.isPending}>
              Save
            </Button>
            <Button kind="quiet" onClick={() => setDraft(state.placement as Placement)} disabled={!isChanged}>
              Undo
            </Button>
          </div>
          <Complaint error={save.error ?? preview.error} />
        </form>
      </Panel>
      <div className="grid content-start gap-3">
        {preview.data ? (
          <>
            <Panel title="As edited">
              <PreviewList preview={preview.data.preview} />
            </Panel>
            {preview.data.current && (
              <Panel title="In force now">
                <PreviewList preview={preview.data.current} />
              </Panel>
            )}
          </>
        ) : (
          <Empty>Preview answers with the edited definition, and with the one in force, side by side. Neither is recorded.</Empty>
        )}
      </div>
    </div>
  );
}

/** The rungs in order; `popular` and `static` stay, since they keep the shelf full. */
function LadderField({ ladder, onChange }: { ladder: readonly Source[]; onChange: (ladder: Source[]) => void }) {
  const isFixed = (source: Source) => source === "static" || source === "popular";
  const missing = SOURCES.filter((source) => !ladder.includes(source));
  const swap = (place: number) => {
    const next = [...ladder];
    const [left, right] = [next[place], next[place + 1]];
    if (left && right) next.splice(place, 2, right, left);
    onChange(next);
  };
  return (
    <fieldset>
      <legend className="text-xs text-muted">Ladder, best first</legend>
      <ol className="mt-0.5 divide-y rounded-md border">
        {ladder.map((source, place) => (
          <li key={source} className="flex h-9 items-center gap-1 px-2 text-sm">
            <CheckField label={<SourceMark source={source} />} checked disabled={isFixed(source)} onChange={() => onChange(ladder.filter((each) => each !== source))} />
            <span className="ml-auto flex">
              <Button kind="quiet" size="small" aria-label={`${source} up`} disabled={place === 0 || source === "static"} onClick={() => swap(place - 1)}>
                <ArrowUp aria-hidden="true" className="size-3.5" />
              </Button>
              <Button kind="quiet" size="small" aria-label={`${source} down`} disabled={place >= ladder.length - 2} onClick={() => swap(place)}>
                <ArrowDown aria-hidden="true" className="size-3.5" />
              </Button>
            </span>
          </li>
        ))}
        {missing.map((source) => (
          <li key={source} className="flex h-9 items-center px-2 text-sm">
            <CheckField label={<SourceMark source={source} />} checked={false} onChange={() => onChange([source, ...ladder])} />
          </li>
        ))}
      </ol>
    </fieldset>
  );
}
