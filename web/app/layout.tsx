import type { Metadata, Viewport } from "next";
import { currentTheme } from "@/lib/server/visitor";
import "./globals.css";

export const metadata: Metadata = {
  title: { default: "Marlow & Wren", template: "%s · Marlow & Wren" },
  description: "A demo shop whose shelves are never empty, served by Evershelf.",
};

export const viewport: Viewport = { width: "device-width", initialScale: 1 };

export default async function RootLayout({ children }: { children: React.ReactNode }) {
  return (
    <html lang="en" data-theme={await currentTheme()} suppressHydrationWarning>
      <body>{children}</body>
    </html>
  );
}
