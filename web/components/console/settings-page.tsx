"use client";

import { Badge, Empty, Panel } from "@/components/ui/panel";
import { useAdmin } from "@/lib/console/queries";
import { useView } from "@/lib/console/view";
import { DataTable } from "./data-table";
import { Loaded } from "./page-state";
import { SearchBox } from "./search-box";

export function SettingsPage() {
  const view = useView();
  const settings = useAdmin("/v1/admin/settings");
  const words = view.get("q").toLowerCase();
  return (
    <div className="grid gap-3">
      <SearchBox label="Part of a name" name="q" />
      <Loaded query={settings}>
        {(told) => {
          const rows = told.settings.filter(({ variable }) => variable.toLowerCase().includes(words));
          return (
            <Panel title="Settings of the gateway" note={`version ${told.version}; secrets are masked; every setting is explained in docs/reference/settings.md`}>
              {rows.length === 0 ? (
                <Empty command="evershelf config show --origin">No setting is called so.</Empty>
              ) : (
                <DataTable
                  label="Settings of the gateway"
                  columns={[
                    { id: "variable", header: "Setting", by: (row) => row.variable, cell: (row) => <code className="font-mono text-xs">{row.variable}</code> },
                    { id: "value", header: "Value", by: (row) => row.value, cell: (row) => <span className="font-mono text-xs break-all">{row.value || <span className="text-muted">(empty)</span>}</span> },
                    { id: "origin", header: "From", by: (row) => row.origin, cell: (row) => <Badge tone={row.origin === "default" ? "neutral" : "accent"}>{row.origin}</Badge> },
                  ]}
                  rows={rows}
                  keyOf={(row) => row.variable}
                />
              )}
            </Panel>
          );
        }}
      </Loaded>
    </div>
  );
}
