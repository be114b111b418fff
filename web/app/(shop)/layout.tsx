import Link from "next/link";
import { Header } from "@/components/shop/header";
import { ScriptsMark } from "@/components/shop/scripts-mark";

export default function ShopLayout({ children }: { children: React.ReactNode }) {
  return (
    <>
      <ScriptsMark />
      <Header />
      <main id="content" className="mx-auto w-full max-w-6xl px-4 pt-6 pb-16">
        {children}
      </main>
      <footer className="border-t py-6 text-sm text-muted">
        <div className="mx-auto flex max-w-6xl flex-wrap gap-x-6 gap-y-2 px-4">
          <p>A demo shop. Nothing here is real but the recommendations.</p>
          <Link href="/console" prefetch={false} className="inline-flex min-h-6 items-center underline">
            Operator console
          </Link>
        </div>
      </footer>
    </>
  );
}
