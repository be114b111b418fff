"use client";

/** The console's frame: pages at the left, the view's controls at the top, and an honest word when data is old. */

import Link from "next/link";
import { usePathname, useSearchParams } from "next/navigation";
import { LibraryBig, LogOut, Store } from "lucide-react";
import { classNames } from "@/lib/class-names";
import { PAGES, pageAt } from "@/lib/console/pages";
import { carriedQuery } from "@/lib/console/view";
import { Button, buttonClasses } from "@/components/ui/button";
import { CommandMenu } from "./command-menu";
import { OutageNotice } from "./outage-notice";
import { ThemeChoice } from "./theme-choice";
import { ViewControls } from "./view-controls";

export function Frame({ theme, children }: { theme: string; children: React.ReactNode }) {
  const page = pageAt(usePathname());
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[13rem_1fr]">
      <a href="#content" className="sr-only focus:not-sr-only focus:absolute focus:z-30 focus:m-2 focus:rounded focus:bg-surface focus:p-2">
        To the content
      </a>
      <Sidebar theme={theme} />
      <div className="min-w-0">
        <header className="sticky top-0 z-20 flex flex-wrap items-center gap-x-4 gap-y-2 border-b bg-canvas/95 px-4 py-2 lg:px-6">
          <div className="min-w-0">
            <h1 className="text-base leading-5 font-semibold">{page?.name ?? "Console"}</h1>
            <p className="text-xs leading-5 text-muted">{page?.question}</p>
          </div>
          <div className="ml-auto flex flex-wrap items-center gap-2">
            <ViewControls hasRange={page?.hasRange ?? false} />
            <CommandMenu />
          </div>
        </header>
        <OutageNotice />
        <main id="content" className="px-4 py-4 lg:px-6">
          {children}
        </main>
      </div>
    </div>
  );
}

function Sidebar({ theme }: { theme: string }) {
  const pathname = usePathname();
  const carried = carriedQuery(useSearchParams());
  const groups = [...new Set(PAGES.map((page) => page.group))];
  return (
    <aside className="flex flex-col border-b bg-surface lg:sticky lg:top-0 lg:h-dvh lg:border-r lg:border-b-0">
      <Link href={`/console${carried}`} prefetch={false} className="flex h-12 shrink-0 items-center gap-2 px-4 text-sm font-semibold">
        <LibraryBig aria-hidden="true" className="size-5 text-accent" strokeWidth={1.8} /> Evershelf
      </Link>
      <nav aria-label="Console" className="flex gap-x-2 overflow-x-auto px-2 pb-2 lg:min-h-0 lg:flex-1 lg:flex-col lg:overflow-y-auto" tabIndex={-1}>
        {groups.map((group) => (
          <div key={group} className="lg:mb-3">
            <p className="hidden px-2 pb-1 text-[11px] font-medium tracking-wide text-muted lg:block">{group}</p>
            <ul className="flex lg:block">
              {PAGES.filter((page) => page.group === group).map(({ path, name, icon: Icon }) => (
                <li key={path}>
                  <Link
                    href={path + carried}
                    prefetch={false}
                    aria-current={pathname === path ? "page" : undefined}
                    className={classNames(
                      "flex h-8 items-center gap-2 rounded-md px-2 text-sm whitespace-nowrap text-muted hover:bg-sunken hover:text-ink",
                      pathname === path && "bg-accent-soft font-medium text-accent hover:bg-accent-soft hover:text-accent",
                    )}
                  >
                    <Icon aria-hidden="true" className="size-4 shrink-0" strokeWidth={1.8} /> {name}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <div className="hidden shrink-0 border-t p-2 lg:block">
        <ThemeChoice initial={theme} />
        <div className="mt-1 flex items-center justify-between">
          <Link href="/" prefetch={false} className={buttonClasses({ kind: "quiet", size: "small" })}>
            <Store aria-hidden="true" className="size-3.5" /> Storefront
          </Link>
          <form action="/api/session" method="post">
            <Button type="submit" kind="quiet" size="small" name="action" value="logout">
              <LogOut aria-hidden="true" className="size-3.5" /> Log out
            </Button>
          </form>
        </div>
      </div>
    </aside>
  );
}
