"use client";

/** Reading from the gateway again and again; what was read last stays on screen when it cannot be read now. */

import { keepPreviousData, useMutation, useQuery, useQueryClient, type UseMutationResult, type UseQueryResult } from "@tanstack/react-query";
import { ConsoleError, read, type AdminPath, type Parameters, type Reply } from "./api";
import { useView } from "./view";

export const LIVE_INTERVAL_MS = 5_000;

export function useAdmin<P extends AdminPath<"get">>(
  path: P,
  parameters: Parameters = {},
  { enabled = true }: { enabled?: boolean } = {},
): UseQueryResult<Reply<"get", P>, ConsoleError> {
  const { isLive } = useView();
  return useQuery<Reply<"get", P>, ConsoleError>({
    queryKey: [path, parameters],
    queryFn: () => read(path, parameters),
    enabled,
    refetchInterval: isLive ? LIVE_INTERVAL_MS : false,
    placeholderData: keepPreviousData,
  });
}

/** A change; afterwards everything on screen is read again. */
export function useChange<Input, Output>(change: (input: Input) => Promise<Output>): UseMutationResult<Output, ConsoleError, Input> {
  const client = useQueryClient();
  return useMutation<Output, ConsoleError, Input>({ mutationFn: change, onSettled: () => client.invalidateQueries() });
}
