"use client";

/** The last button: what was bought is reported by beacon where there is JavaScript, else by the server. */

import { useRef } from "react";
import { Button } from "@/components/ui/button";
import type { Happening } from "@/lib/server/events";
import { sendBeacon } from "./beacon";

export function OrderForm({ purchases }: { purchases: readonly Omit<Happening, "event_type">[] }) {
  const reported = useRef<HTMLInputElement>(null);
  const order = () => {
    const isReported = sendBeacon(purchases.map((purchase) => ({ ...purchase, event_type: "purchase" })));
    if (isReported && reported.current) reported.current.value = "1";
  };
  return (
    <form action="/api/order" method="post" onSubmit={order}>
      <input ref={reported} type="hidden" name="reported" defaultValue="0" />
      <Button type="submit" kind="primary" size="large">
        Order
      </Button>
    </form>
  );
}
