import type { Metadata } from "next";
import { ExplainPage } from "@/components/console/explain-page";

export const metadata: Metadata = { title: "Explain" };

export default function Page() {
  return <ExplainPage />;
}
