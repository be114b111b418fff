"use client";

import { Monitor, Moon, Sun } from "lucide-react";
import { useState } from "react";
import { classNames } from "@/lib/class-names";

const THEMES = [
  { name: "system", label: "As the system", icon: Monitor },
  { name: "light", label: "Light", icon: Sun },
  { name: "dark", label: "Dark", icon: Moon },
] as const;

export const THEME_CHANGED = "evershelf-theme";

export function applyTheme(theme: string): void {
  document.documentElement.dataset.theme = theme;
  window.dispatchEvent(new Event(THEME_CHANGED));
  void fetch("/api/preferences", { method: "POST", body: new URLSearchParams({ theme }), redirect: "manual" });
}

export function ThemeChoice({ initial }: { initial: string }) {
  const [theme, setTheme] = useState(initial);
  return (
    <div role="group" aria-label="Theme" className="flex gap-1">
      {THEMES.map(({ name, label, icon: Icon }) => (
        <button
          key={name}
          type="button"
          aria-pressed={theme === name}
          aria-label={label}
          title={label}
          onClick={() => {
            setTheme(name);
            applyTheme(name);
          }}
          className={classNames("grid h-7 flex-1 place-items-center rounded-md text-muted hover:bg-sunken", theme === name && "bg-sunken text-ink")}
        >
          <Icon aria-hidden="true" className="size-4" strokeWidth={1.8} />
        </button>
      ))}
    </div>
  );
}
