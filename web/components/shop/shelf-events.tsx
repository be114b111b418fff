"use client";

/** Reports what of a shelf was seen and what was chosen. Without JavaScript it is nothing but a frame. */

import { useEffect, useRef } from "react";
import { sendBeacon } from "./beacon";

const SEEN_SHARE = 0.5;
const BATCH_MS = 600;
const SHELVES_MAX = 200;
/** What this page load has reported already: an item counts as shown once an answer. */
const reported = new Set<string>();

export function ShelfEvents({ recommendationId, placement, children }: { recommendationId: string; placement: string; children: React.ReactNode }) {
  const frame = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const cards = frame.current?.querySelectorAll<HTMLElement>("[data-item-id]") ?? [];
    const seen = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      clearTimeout(timer);
      timer = undefined;
      const items = [...seen].filter((itemId) => !reported.has(`${recommendationId} ${itemId}`));
      seen.clear();
      if (reported.size > SHELVES_MAX * 10) reported.clear();
      items.forEach((itemId) => reported.add(`${recommendationId} ${itemId}`));
      sendBeacon(items.map((item_id) => ({ event_type: "view_item_list", item_id, placement, recommendation_id: recommendationId })));
    };
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting || !(target instanceof HTMLElement) || !target.dataset.itemId) continue;
          seen.add(target.dataset.itemId);
          observer.unobserve(target);
          timer ??= setTimeout(flush, BATCH_MS);
        }
      },
      { threshold: SEEN_SHARE },
    );
    cards.forEach((card) => observer.observe(card));
    addEventListener("pagehide", flush);
    return () => {
      observer.disconnect();
      removeEventListener("pagehide", flush);
      flush();
    };
  }, [recommendationId, placement]);

  const reportChoice = (event: React.MouseEvent) => {
    const link = (event.target as HTMLElement).closest("a");
    const itemId = link?.closest<HTMLElement>("[data-item-id]")?.dataset.itemId;
    if (itemId) sendBeacon([{ event_type: "select_item", item_id: itemId, placement, recommendation_id: recommendationId }]);
  };

  return (
    <div ref={frame} onClickCapture={reportChoice}>
      {children}
    </div>
  );
}

/** Reports that an item's page was looked at, once. */
export function ReportView({ itemId, recommendationId, placement }: { itemId: string; recommendationId?: string; placement?: string }) {
  const told = useRef("");
  useEffect(() => {
    if (told.current === itemId) return;
    told.current = itemId;
    sendBeacon([{ event_type: "view_item", item_id: itemId, recommendation_id: recommendationId, placement }]);
  }, [itemId, recommendationId, placement]);
  return null;
}
