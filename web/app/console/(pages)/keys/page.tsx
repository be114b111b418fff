import type { Metadata } from "next";
import { KeysPage } from "@/components/console/keys-page";

export const metadata: Metadata = { title: "Keys" };

export default function Page() {
  return <KeysPage />;
}
