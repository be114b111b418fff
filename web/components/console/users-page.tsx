"use client";

import { useRouter } from "next/navigation";
import { Button } from "@/components/ui/button";
import { SelectField } from "@/components/ui/fields";
import { Badge, Empty, Facts, Panel } from "@/components/ui/panel";
import { useAdmin } from "@/lib/console/queries";
import { useView } from "@/lib/console/view";
import { DataTable } from "./data-table";
import { DecisionTable } from "./decision-table";
import { HistoryPanel } from "./explanation-view";
import { Loaded } from "./page-state";
import { PreviewList } from "./preview-list";
import { SearchBox } from "./search-box";

export function UsersPage() {
  const view = useView();
  const userId = view.get("user");
  const users = useAdmin("/v1/admin/users", { prefix: view.get("prefix"), after: view.get("after"), limit: 25 });
  return (
    <div className="grid gap-3">
      <SearchBox label="How the user's id begins" name="prefix" />
      {userId && <UserView userId={userId} />}
      <Panel title="Users" note="in order of id">
        <Loaded query={users}>
          {(page) =>
            page.users.length === 0 ? (
              <Empty command="evershelf import users FILE">Nobody is found. {page.note}</Empty>
            ) : (
              <>
                <DataTable
                  label="Users"
                  columns={[
                    { id: "user", header: "User", by: (row) => row.user_id, cell: (row) => row.user_id },
                    { id: "attributes", header: "Attributes", cell: (row) => <span className="text-muted">{Object.entries(row.attributes).map(([name, value]) => `${name} ${inText(value)}`).join(", ")}</span> },
                  ]}
                  rows={page.users}
                  keyOf={(row) => row.user_id}
                  onOpen={(row) => view.set({ user: row.user_id })}
                  isOpen={(row) => row.user_id === userId}
                />
                {page.note && <p className="mt-2 text-xs text-muted">{page.note}</p>}
                {page.next_after && (
                  <Button size="small" className="mt-2" onClick={() => view.set({ after: page.next_after })}>
                    More
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

function UserView({ userId }: { userId: string }) {
  const router = useRouter();
  const view = useView();
  const placements = useAdmin("/v1/admin/placements");
  const query = useAdmin("/v1/admin/users/{user_id}", { user_id: userId, placement: view.get("placement") || "home" });
  return (
    <Loaded query={query}>
      {(detail) => (
        <div className="grid gap-3" data-testid="user-view">
          <div className="grid gap-3 xl:grid-cols-2">
            <Panel title={userId}>
              <Facts
                facts={[
                  ["Known", detail.known === null ? "PostgreSQL is away, nobody can tell" : detail.known ? "yes" : <Badge tone="warn" key="known">not in the database</Badge>],
                  ...Object.entries(detail.attributes).map(([name, value]): [string, string] => [name, inText(value)]),
                  ["History", detail.history_complete ? "complete" : "only what memory holds"],
                ]}
              />
              {detail.note && <p className="mt-2 text-xs text-muted">{detail.note}</p>}
            </Panel>
            <HistoryPanel history={detail.history} known={detail.history.length} />
          </div>
          <Panel
            title="What they would see now"
            note="asked for this page; recorded nowhere"
            actions={
              <SelectField label="Placement" value={detail.now.placement} onChange={(event) => view.set({ placement: event.target.value })} className="w-44">
                {(placements.data ?? []).map(({ placement }) => (
                  <option key={placement.name}>{placement.name}</option>
                ))}
                {!placements.data && <option>{detail.now.placement}</option>}
              </SelectField>
            }
          >
            <PreviewList preview={detail.now} />
          </Panel>
          <Panel title="What they were answered" note="newest first, of those in memory">
            {detail.decisions.length === 0 ? <Empty command={`evershelf recommend ${userId}`}>Nothing lately.</Empty> : <DecisionTable withWho={false} decisions={detail.decisions} onOpen={(row) => router.push(`/console/explain?id=${row.recommendation_id}`)} />}
          </Panel>
        </div>
      )}
    </Loaded>
  );
}

function inText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return JSON.stringify(value);
  return Object.entries(value).map(([name, part]) => `${name} ${inText(part)}`).join(", ");
}
