import { OverviewPage } from "@/components/console/overview-page";

export default function Page() {
  return <OverviewPage />;
}
