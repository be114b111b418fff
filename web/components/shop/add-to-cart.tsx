"use client";

/** The button that puts an item into the cart: a plain form, quicker where there is JavaScript. */

import { useRouter } from "next/navigation";
import { useState, useTransition } from "react";
import { Button } from "@/components/ui/button";
import { sendBeacon } from "./beacon";

export function AddToCart({ itemId, recommendationId, placement }: { itemId: string; recommendationId?: string; placement?: string }) {
  const router = useRouter();
  const [told, setTold] = useState("");
  const [isPending, startTransition] = useTransition();

  const add = async (event: React.FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const fields = new URLSearchParams(new FormData(form) as unknown as Record<string, string>);
    const isReported = sendBeacon([{ event_type: "add_to_cart", item_id: itemId, recommendation_id: recommendationId, placement }]);
    if (isReported) fields.set("reported", "1");
    try {
      await fetch("/api/cart", { method: "POST", body: fields, redirect: "manual" });
    } catch {
      form.submit(); // let the browser try, and tell what it finds
      return;
    }
    setTold("It is in your cart.");
    startTransition(() => router.refresh());
  };

  return (
    <form action="/api/cart" method="post" onSubmit={(event) => void add(event)} className="mt-6">
      <input type="hidden" name="item_id" value={itemId} />
      {recommendationId && <input type="hidden" name="recommendation_id" value={recommendationId} />}
      {placement && <input type="hidden" name="placement" value={placement} />}
      <Button type="submit" kind="primary" size="large" aria-disabled={isPending}>
        Add to cart
      </Button>
      <p role="status" className="mt-2 h-5 text-sm text-good">
        {told}
      </p>
    </form>
  );
}
