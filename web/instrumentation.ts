/** Runs once in each new process, before it takes requests. */

export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== "nodejs") return;
  const { warm } = await import("@/lib/server/shelf");
  await warm();
}
