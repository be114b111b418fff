import type { Metadata } from "next";
import { DataHealthPage } from "@/components/console/data-health-page";

export const metadata: Metadata = { title: "Data health" };

export default function Page() {
  return <DataHealthPage />;
}
