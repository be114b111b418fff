/** The console's pages, in the order of the questions an operator asks. */

import { Activity, BookOpenCheck, Boxes, Flame, KeyRound, LayoutGrid, ScrollText, Settings2, ShieldCheck, SearchCheck, HeartPulse, Users, type LucideIcon } from "lucide-react";

export interface ConsolePage {
  readonly path: string;
  readonly name: string;
  readonly question: string;
  readonly icon: LucideIcon;
  readonly group: string;
  /** Whether the page shows a stretch of time. */
  readonly hasRange?: boolean;
}

export const PAGES: readonly ConsolePage[] = [
  { path: "/console", name: "Overview", question: "Is the promise kept?", icon: Activity, group: "Watch", hasRange: true },
  { path: "/console/resilience", name: "Resilience", question: "What failed, and what did the shelf do?", icon: ShieldCheck, group: "Watch", hasRange: true },
  { path: "/console/data", name: "Data health", question: "Does what we learn from arrive?", icon: HeartPulse, group: "Watch", hasRange: true },
  { path: "/console/explain", name: "Explain", question: "Why this list?", icon: SearchCheck, group: "Understand" },
  { path: "/console/items", name: "Items", question: "What is this item, and who gets it?", icon: Boxes, group: "Understand" },
  { path: "/console/users", name: "Users", question: "What would this user see now?", icon: Users, group: "Understand" },
  { path: "/console/models", name: "Models", question: "Which version serves, and why may it?", icon: BookOpenCheck, group: "Change" },
  { path: "/console/placements", name: "Placements", question: "What does each slot promise?", icon: LayoutGrid, group: "Change" },
  { path: "/console/drills", name: "Drills", question: "Does the fallback hold today?", icon: Flame, group: "Change" },
  { path: "/console/audit", name: "Audit log", question: "Who changed what?", icon: ScrollText, group: "Keep" },
  { path: "/console/keys", name: "Keys", question: "Who may call?", icon: KeyRound, group: "Keep" },
  { path: "/console/settings", name: "Settings", question: "What does the gateway run with?", icon: Settings2, group: "Keep" },
];

export function pageAt(pathname: string): ConsolePage | undefined {
  return PAGES.find((page) => page.path === pathname);
}
