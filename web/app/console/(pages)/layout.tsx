import type { Metadata } from "next";
import { Suspense } from "react";
import { Frame } from "@/components/console/frame";
import { Providers } from "@/components/console/providers";
import { currentTheme } from "@/lib/server/visitor";

export const metadata: Metadata = { title: { default: "Evershelf console", template: "%s · Evershelf console" } };

export default async function ConsoleLayout({ children }: { children: React.ReactNode }) {
  return (
    <Providers>
      <Suspense>
        <Frame theme={await currentTheme()}>{children}</Frame>
      </Suspense>
    </Providers>
  );
}
