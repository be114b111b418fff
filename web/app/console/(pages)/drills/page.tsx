import type { Metadata } from "next";
import { DrillsPage } from "@/components/console/drills-page";

export const metadata: Metadata = { title: "Drills" };

export default function Page() {
  return <DrillsPage />;
}
