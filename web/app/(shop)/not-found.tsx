import { Shelf } from "@/components/shop/shelf";
import { currentVisitor } from "@/lib/server/visitor";

export default async function NotFound() {
  return (
    <>
      <h1 className="font-serif text-3xl">There is no such page</h1>
      <p className="mt-3 text-muted">It may have moved, or it was never here.</p>
      <Shelf title="Popular now" question={{ placement: "popular", visitor: await currentVisitor(), k: 5 }} size={5} />
    </>
  );
}
