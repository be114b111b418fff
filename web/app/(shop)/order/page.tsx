import type { Metadata } from "next";
import { cookies } from "next/headers";
import { CircleCheck } from "lucide-react";
import { Shelf } from "@/components/shop/shelf";
import { currentVisitor, ORDER_COOKIE } from "@/lib/server/visitor";

export const metadata: Metadata = { title: "Order" };

export default async function OrderPage() {
  const count = Number((await cookies()).get(ORDER_COOKIE)?.value ?? "0");
  const visitor = await currentVisitor();
  return (
    <>
      <h1 className="flex items-center gap-3 font-serif text-3xl">
        {count > 0 && <CircleCheck aria-hidden="true" className="size-8 text-good" strokeWidth={1.5} />}
        {count > 0 ? "Thank you for your order" : "No order yet"}
      </h1>
      {count > 0 && <p className="mt-3 text-muted">{count === 1 ? "One item is" : `${count} items are`} on the way, as far as a demo shop sends anything.</p>}
      <Shelf title="For next time" question={{ placement: "home", visitor, k: 10 }} size={5} />
    </>
  );
}
