"use client";

/** A dense table that sorts by its columns. */

import { createSortedRowModel, rowSortingFeature, sortFn_alphanumeric, tableFeatures, useTable, type ColumnDef, type RowData } from "@tanstack/react-table";
import { ArrowDown, ArrowUp } from "lucide-react";
import { classNames } from "@/lib/class-names";

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel(), sortFns: { alphanumeric: sortFn_alphanumeric } });

export interface Column<Row> {
  readonly id: string;
  readonly header: string;
  /** What the column sorts by; without it, it does not sort. */
  readonly by?: (row: Row) => string | number | null;
  readonly cell: (row: Row) => React.ReactNode;
  readonly isNumber?: boolean;
  /** Takes what the others leave, and cuts its text short where that is too little. */
  readonly isWide?: boolean;
  readonly className?: string;
}

export function DataTable<Row extends RowData>({ label, columns, rows, keyOf, onOpen, isOpen }: {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  onOpen?: (row: Row) => void;
  isOpen?: (row: Row) => boolean;
}) {
  const definitions: ColumnDef<typeof features, Row>[] = columns.map((column) => ({
    id: column.id,
    accessorFn: column.by ?? (() => null),
    header: column.header,
    enableSorting: column.by !== undefined,
    sortUndefined: "last",
  }));
  const table = useTable({ features, columns: definitions, data: rows as Row[], getRowId: keyOf });
  const byId = new Map(columns.map((column) => [column.id, column]));
  return (
    <div className="-mx-4 overflow-x-auto" tabIndex={0} role="region" aria-label={label}>
      <table className="w-full text-sm">
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id} className="border-b text-left text-xs text-muted">
              {group.headers.map((header) => {
                const sorted = header.column.getIsSorted();
                const name = String(header.column.columnDef.header);
                return (
                  <th key={header.id} scope="col" aria-sort={sorted === "asc" ? "ascending" : sorted === "desc" ? "descending" : undefined} className={classNames("px-2 py-0 font-medium first:pl-4 last:pr-4", byId.get(header.id)?.isNumber && "text-right")}>
                    {header.column.getCanSort() ? (
                      <button type="button" onClick={header.column.getToggleSortingHandler()} className="inline-flex h-7 items-center gap-1 hover:text-ink">
                        {name}
                        {sorted === "asc" && <ArrowUp aria-hidden="true" className="size-3" />}
                        {sorted === "desc" && <ArrowDown aria-hidden="true" className="size-3" />}
                      </button>
                    ) : (
                      <span className="inline-flex h-7 items-center">{name}</span>
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id} className={classNames("border-b last:border-0 hover:bg-sunken/60", isOpen?.(row.original) && "bg-accent-soft/60")}>
              {columns.map((column, place) => (
                <td key={column.id} className={classNames("h-8 px-2 py-1.5 first:pl-4 last:pr-4", column.isNumber && "text-right whitespace-nowrap tabular-nums", column.isWide && "w-full max-w-40", column.className)}>
                  {place === 0 && onOpen ? (
                    <button type="button" aria-pressed={isOpen?.(row.original)} onClick={() => onOpen(row.original)} className="min-h-6 max-w-full text-left text-accent hover:underline">
                      {column.cell(row.original)}
                    </button>
                  ) : (
                    column.cell(row.original)
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
