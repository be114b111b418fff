/** Logging in to the console and out of it. */

import { NextResponse, type NextRequest } from "next/server";
import { backTo, formFields, refused } from "@/lib/server/door";
import { addressOf, isPassword, LoginGuard, newSession, SESSION_COOKIE, SESSION_S } from "@/lib/server/sessions";

const guard = new LoginGuard();

export async function POST(request: NextRequest): Promise<NextResponse> {
  const fields = await formFields(request);
  if (!fields) return refused(403, "only the console's own login page posts here");
  if (fields.get("action") === "logout") {
    const out = backTo("/console/login");
    out.cookies.delete(SESSION_COOKIE);
    return out;
  }
  const next = fields.get("next");
  const again = (why: string) => backTo(`/console/login?${new URLSearchParams({ why, ...(next ? { next } : {}) })}`);
  const address = addressOf(request.headers);
  if (guard.isShut(address, Date.now())) return again("shut");
  if (!isPassword(fields.get("password") ?? "")) {
    guard.noteFailure(address, Date.now());
    return again("wrong");
  }
  const response = backTo(next?.startsWith("/console") ? next : "/console");
  response.cookies.set(SESSION_COOKIE, newSession(Date.now()), {
    httpOnly: true,
    sameSite: "strict",
    path: "/",
    maxAge: SESSION_S,
    secure: isOverTls(request),
  });
  return response;
}

function isOverTls(request: NextRequest): boolean {
  return request.headers.get("x-forwarded-proto") === "https" || request.nextUrl.protocol === "https:";
}
