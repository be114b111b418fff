import { Shelf } from "@/components/shop/shelf";
import { currentVisitor } from "@/lib/server/visitor";

export default async function HomePage() {
  const visitor = await currentVisitor();
  return (
    <>
      <h1 className="font-serif text-4xl leading-tight">Good things, well chosen</h1>
      <p className="mt-2 max-w-prose text-muted">For the kitchen, the garden and the quiet hour after supper.</p>
      <Shelf title={visitor.userId ? "Picked for you" : "To begin with"} question={{ placement: "home", visitor, k: 10 }} size={10} isFirst />
      <Shelf title="Popular now" question={{ placement: "popular", visitor, k: 5 }} size={5} />
    </>
  );
}
