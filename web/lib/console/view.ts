"use client";

/** What an operator looks at, kept in the address: time range, live or not, filters. A copied link shows the same. */

import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { useCallback, useMemo } from "react";

export const RANGES = [
  { seconds: 900, label: "15 min" },
  { seconds: 3_600, label: "1 h" },
  { seconds: 21_600, label: "6 h" },
  { seconds: 86_400, label: "24 h" },
] as const;
const RANGE_DEFAULT_S = 3_600;

export interface View {
  readonly rangeS: number;
  readonly isLive: boolean;
  get: (name: string) => string;
  /** Changes parts of the address; an empty value takes its part away. */
  set: (changes: Readonly<Record<string, string | null>>) => void;
}

export function useView(): View {
  const parameters = useSearchParams();
  const router = useRouter();
  const pathname = usePathname();
  const get = useCallback((name: string) => parameters.get(name) ?? "", [parameters]);
  const set = useCallback(
    (changes: Readonly<Record<string, string | null>>) => {
      const next = new URLSearchParams(parameters);
      for (const [name, value] of Object.entries(changes)) {
        if (value) next.set(name, value);
        else next.delete(name);
      }
      const text = next.toString();
      router.replace(text ? `${pathname}?${text}` : pathname, { scroll: false });
    },
    [parameters, pathname, router],
  );
  return useMemo(() => {
    const range = Number(get("range"));
    return {
      rangeS: RANGES.some(({ seconds }) => seconds === range) ? range : RANGE_DEFAULT_S,
      isLive: get("live") !== "0",
      get,
      set,
    };
  }, [get, set]);
}

/** The part of an address that goes along from page to page. */
export function carriedQuery(parameters: URLSearchParams): string {
  const carried = new URLSearchParams();
  for (const name of ["range", "live"]) {
    const value = parameters.get(name);
    if (value) carried.set(name, value);
  }
  const text = carried.toString();
  return text ? `?${text}` : "";
}
