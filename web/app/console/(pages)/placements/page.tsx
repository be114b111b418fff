import type { Metadata } from "next";
import { PlacementsPage } from "@/components/console/placements-page";

export const metadata: Metadata = { title: "Placements" };

export default function Page() {
  return <PlacementsPage />;
}
