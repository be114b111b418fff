/** The process runs and serves; it asks nobody else, so that a gateway's outage never restarts the shop. */

export function GET(): Response {
  return new Response("live\n", { headers: { "Content-Type": "text/plain", "Cache-Control": "no-store" } });
}
