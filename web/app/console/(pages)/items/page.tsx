import type { Metadata } from "next";
import { ItemsPage } from "@/components/console/items-page";

export const metadata: Metadata = { title: "Items" };

export default function Page() {
  return <ItemsPage />;
}
