"use client";

/** What would be answered now, as pictures with their reasons. */

import type { Schema } from "@/lib/console/api";
import { formatMs } from "@/lib/console/figures";
import { reasonInWords, sourceColour } from "@/lib/sources";
import { DegradedMark, SourceMark } from "./source-mark";

export function PreviewList({ preview }: { preview: Schema<"Preview"> }) {
  return (
    <>
      <p className="mb-2 flex flex-wrap items-center gap-x-4 gap-y-1 text-xs">
        <SourceMark source={preview.source} />
        <span className="text-muted">{reasonInWords(preview.reason)}</span>
        {preview.degraded && <DegradedMark isDegraded />}
        <span className="tabular-nums">
          {formatMs(preview.elapsed_ms)} of {preview.deadline_ms} ms
        </span>
        <span className="text-muted">model {preview.model_version ?? "none"}</span>
      </p>
      <ol className="grid grid-cols-[repeat(auto-fill,minmax(7.5rem,1fr))] gap-3">
        {preview.items.map((entry) => (
          <li key={entry.item_id} className="min-w-0">
            {entry.item.image_url ? <img src={entry.item.image_url} alt="" width={120} height={120} loading="lazy" className="aspect-square w-full rounded-md bg-sunken object-cover" /> : <div className="aspect-square w-full rounded-md bg-sunken" />}
            <p className="mt-1 line-clamp-2 h-8 text-xs leading-4">{entry.item.title || entry.item_id}</p>
            <p className="flex items-center gap-1 text-[11px] text-muted tabular-nums" title={reasonInWords(entry.reason)}>
              <span aria-hidden="true" className="size-1.5 rounded-full" style={{ background: sourceColour(entry.source) }} />
              {entry.score.toFixed(2)} {entry.source.replaceAll("_", " ")}
            </p>
          </li>
        ))}
      </ol>
    </>
  );
}
