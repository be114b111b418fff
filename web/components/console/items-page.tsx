"use client";

import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { TextField } from "@/components/ui/fields";
import { Badge, Empty, Facts, Panel } from "@/components/ui/panel";
import { post, type Schema } from "@/lib/console/api";
import { formatCount } from "@/lib/console/figures";
import { useAdmin, useChange } from "@/lib/console/queries";
import { useView } from "@/lib/console/view";
import { formatPrice } from "@/lib/money";
import { DataTable } from "./data-table";
import { DecisionTable } from "./decision-table";
import { ItemName } from "./explanation-view";
import { Complaint, Loaded } from "./page-state";
import { SearchBox } from "./search-box";

export function ItemsPage() {
  const view = useView();
  const itemId = view.get("item");
  const items = useAdmin("/v1/admin/items", { q: view.get("q"), after: view.get("after"), limit: 25 });
  return (
    <div className="grid gap-3">
      <SearchBox label="Words of the title, or how the id begins" name="q" />
      {itemId && <ItemView itemId={itemId} />}
      <Panel title="Items" note="also those that may not be shown">
        <Loaded query={items}>
          {(page) =>
            page.items.length === 0 ? (
              <Empty command="evershelf import items FILE">Nothing is found. {page.note}</Empty>
            ) : (
              <>
                <DataTable
                  label="Items"
                  columns={[
                    { id: "item", header: "Item", isWide: true, cell: (row) => <ItemName itemId={row.item_id} title={row.item?.title} /> },
                    { id: "category", header: "Category", by: (row) => row.item?.categories?.[0] ?? "", cell: (row) => <span className="text-muted">{row.item?.categories?.join(", ")}</span> },
                    { id: "price", header: "Price", by: (row) => row.item?.price ?? null, cell: (row) => formatPrice(row.item?.price, row.item?.currency), isNumber: true },
                    { id: "rank", header: "Popularity", by: (row) => row.popularity_rank, cell: (row) => (row.popularity_rank ? `#${formatCount(row.popularity_rank)}` : "–"), isNumber: true },
                    { id: "state", header: "On the shelf", cell: (row) => <ShelfState status={row} /> },
                  ]}
                  rows={page.items}
                  keyOf={(row) => row.item_id}
                  onOpen={(row) => view.set({ item: row.item_id })}
                  isOpen={(row) => row.item_id === itemId}
                />
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

function ShelfState({ status }: { status: Schema<"ItemStatus"> }) {
  if (status.suppressed) return <Badge tone="bad">suppressed</Badge>;
  return status.eligible ? <Badge tone="good">may be shown</Badge> : <Badge tone="warn">{status.why_not ?? "may not be shown"}</Badge>;
}

function ItemView({ itemId }: { itemId: string }) {
  const router = useRouter();
  const view = useView();
  const query = useAdmin("/v1/admin/items/{item_id}", { item_id: itemId });
  return (
    <Loaded query={query}>
      {(detail) => (
        <div className="grid gap-3" data-testid="item-view">
          <Panel title={detail.status.item?.title || itemId} note={<span className="font-mono">{itemId}</span>}>
            <div className="grid gap-4 sm:grid-cols-[7rem_1fr_auto]">
              {detail.status.item?.image_url ? <img src={detail.status.item.image_url} alt="" width={112} height={112} className="size-28 rounded-md bg-sunken" /> : <span />}
              <Facts
                facts={[
                  ["On the shelf", <ShelfState key="state" status={detail.status} />],
                  ["Categories", detail.categories.join(", ") || "none"],
                  ["Price", formatPrice(detail.status.item?.price, detail.status.item?.currency) || "none"],
                  ["Popularity", detail.status.popularity_rank ? `#${detail.status.popularity_rank}` : "–"],
                  ["Tags", detail.status.item?.tags?.join(", ") || "none"],
                ]}
              />
              <Suppression status={detail.status} />
            </div>
          </Panel>
          <div className="grid gap-3 xl:grid-cols-2">
            <Neighbours title="Goes with" neighbours={detail.neighbours} onOpen={(id) => view.set({ item: id })} />
            <Neighbours title="Named by" neighbours={detail.neighbour_of} onOpen={(id) => view.set({ item: id })} />
          </div>
          <Panel title="Who was shown it" note={`among the newest ${formatCount(detail.searched_decisions)} answers`}>
            {detail.shown_in.length === 0 ? <Empty>None of them held it.</Empty> : <DecisionTable decisions={detail.shown_in} onOpen={(row) => router.push(`/console/explain?id=${row.recommendation_id}`)} />}
          </Panel>
        </div>
      )}
    </Loaded>
  );
}

function Suppression({ status }: { status: Schema<"ItemStatus"> }) {
  const [reason, setReason] = useState("");
  const change = useChange(() =>
    status.suppressed
      ? post("/v1/admin/items/{item_id}/unsuppress", { item_id: status.item_id }, { reason })
      : post("/v1/admin/items/{item_id}/suppress", { item_id: status.item_id }, { reason }),
  );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        change.mutate(undefined);
        setReason("");
      }}
      className="w-56 space-y-2"
    >
      <TextField label="Reason, for the audit log" value={reason} maxLength={500} onChange={(event) => setReason(event.target.value)} />
      <Button type="submit" kind={status.suppressed ? "secondary" : "danger"} disabled={change.isPending} className="w-full">
        {status.suppressed ? "Let it back on the shelves" : "Suppress everywhere"}
      </Button>
      <Complaint error={change.error} />
    </form>
  );
}

function Neighbours({ title, neighbours, onOpen }: { title: string; neighbours: readonly Schema<"Neighbour">[]; onOpen: (itemId: string) => void }) {
  return (
    <Panel title={title}>
      {neighbours.length === 0 ? (
        <Empty command="evershelf refresh">No neighbours are known.</Empty>
      ) : (
        <div className="-mx-4 max-h-72 overflow-y-auto px-4">
          <DataTable
            label={title}
            columns={[
              { id: "item", header: "Item", isWide: true, cell: (each) => <ItemName itemId={each.item_id} title={each.title} /> },
              { id: "score", header: "Score", by: (each) => each.score, cell: (each) => each.score.toFixed(3), isNumber: true },
              { id: "eligible", header: "Shown", by: (each) => Number(each.eligible), cell: (each) => (each.eligible ? <span className="text-muted">may be</span> : <Badge tone="warn">may not</Badge>), className: "whitespace-nowrap" },
            ]}
            rows={neighbours}
            keyOf={(each) => each.item_id}
            onOpen={(each) => onOpen(each.item_id)}
          />
        </div>
      )}
    </Panel>
  );
}
