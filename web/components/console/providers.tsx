"use client";

import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { ConsoleError } from "@/lib/console/api";

export function Providers({ children }: { children: React.ReactNode }) {
  const router = useRouter();
  const [client] = useState(() => {
    const onError = (error: Error) => {
      if (!(error instanceof ConsoleError && error.isLoggedOut)) return;
      router.push(`/console/login?${new URLSearchParams({ next: location.pathname + location.search })}`);
    };
    return new QueryClient({
      queryCache: new QueryCache({ onError }),
      mutationCache: new MutationCache({ onError }),
      defaultOptions: {
        // The next round of the live view is the retry; what was read stays for as long as the page is open.
        queries: { retry: false, staleTime: 2_000, gcTime: Infinity, networkMode: "always", refetchOnWindowFocus: true },
        mutations: { retry: false, networkMode: "always" },
      },
    });
  });
  return <QueryClientProvider client={client}>{children}</QueryClientProvider>;
}
