/** An answer's question as a command that asks it again. */

import type { Schema } from "./api";

export function asCurl({ request, decision }: Pick<Schema<"Explanation">, "request" | "decision">): string {
  const asked = Object.fromEntries(Object.entries(request ?? {}).filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0)));
  const body = JSON.stringify(asked).replaceAll("'", String.raw`'\''`);
  const deadline = decision.deadline_ms ? ` \\\n  -H 'X-Request-Deadline-Ms: ${decision.deadline_ms}'` : "";
  return `curl -s "$EVERSHELF_URL/v1/recommendations" \\\n  -H "Authorization: Bearer $EVERSHELF_KEY" \\\n  -H 'Content-Type: application/json'${deadline} \\\n  -d '${body}'`;
}
