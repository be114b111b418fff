/** The console's one door to the gateway: logged-in operators only, the operator's API only. */

import { NextResponse, type NextRequest } from "next/server";
import { boundedText, isOwnOrigin, refused } from "@/lib/server/door";
import { forwardToAdmin, GatewayTrouble } from "@/lib/server/gateway";
import { isValidSession, SESSION_COOKIE } from "@/lib/server/sessions";

type Context = { params: Promise<{ path: string[] }> };

async function pass(request: NextRequest, { params }: Context): Promise<NextResponse> {
  if (!isValidSession(request.cookies.get(SESSION_COOKIE)?.value, Date.now())) return refused(401, "Log in first.");
  if (request.method !== "GET" && !isOwnOrigin(request)) return refused(403, "Only the console's own pages change anything.");
  const { path } = await params;
  if (path.some((part) => part === "." || part === ".." || part === "")) return refused(404, "There is no such address.");
  const body = request.method === "GET" ? null : await boundedText(request);
  try {
    const address = `/v1/admin/${path.map(encodeURIComponent).join("/")}${request.nextUrl.search}`;
    const reply = await forwardToAdmin(address, request.method, body || null);
    return new NextResponse(reply.body, {
      status: reply.status === 401 ? 502 : reply.status, // ours was refused, which is no reason to log in again
      headers: { "Content-Type": reply.headers.get("content-type") ?? "application/json", "Cache-Control": "no-store" },
    });
  } catch (error) {
    if (error instanceof GatewayTrouble) return refused(error.kind === "timeout" ? 504 : 502, `The gateway is ${error.kind}.`);
    throw error;
  }
}

export { pass as DELETE, pass as GET, pass as POST, pass as PUT };
