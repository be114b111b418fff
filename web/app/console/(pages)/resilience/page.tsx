import type { Metadata } from "next";
import { ResiliencePage } from "@/components/console/resilience-page";

export const metadata: Metadata = { title: "Resilience" };

export default function Page() {
  return <ResiliencePage />;
}
