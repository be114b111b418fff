/** Before every page: a visitor's session id, the console's login, and the headers that keep foreign scripts out. */

import { NextResponse, type NextRequest } from "next/server";
import { isValidSession, SESSION_COOKIE } from "@/lib/server/sessions";
import { VISITOR_COOKIE } from "@/lib/server/visitor";

const VISITOR_S = 30 * 86_400;
const LOGIN = "/console/login";

export const config = {
  matcher: ["/((?!_next/|api/|pictures/|healthz|icon.svg).*)"],
};

export function proxy(request: NextRequest): NextResponse {
  const { pathname, search } = request.nextUrl;
  const isConsole = pathname === "/console" || pathname.startsWith("/console/");
  if (isConsole && pathname !== LOGIN && !isValidSession(request.cookies.get(SESSION_COOKIE)?.value, Date.now())) {
    return NextResponse.redirect(new URL(`${LOGIN}?${new URLSearchParams({ next: pathname + search })}`, ownOrigin(request)), 303);
  }
  const visitor = request.cookies.get(VISITOR_COOKIE)?.value ?? `visit-${crypto.randomUUID()}`;
  request.cookies.set(VISITOR_COOKIE, visitor); // the page that is about to be rendered already sees it
  const policy = contentSecurityPolicy(Buffer.from(crypto.randomUUID()).toString("base64"));
  const headers = new Headers(request.headers);
  headers.set("Content-Security-Policy", policy); // Next reads the nonce from here
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("Content-Security-Policy", policy);
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Referrer-Policy", "same-origin");
  response.cookies.set(VISITOR_COOKIE, visitor, { httpOnly: true, sameSite: "lax", path: "/", maxAge: VISITOR_S });
  return response;
}

/** The origin that the browser used: behind a name or a proxy it is not the address that this process listens on. */
function ownOrigin(request: NextRequest): string {
  const protocol = request.headers.get("x-forwarded-proto") ?? request.nextUrl.protocol.replace(":", "");
  return `${protocol}://${request.headers.get("host") ?? request.nextUrl.host}`;
}

function contentSecurityPolicy(nonce: string): string {
  const development = process.env.NODE_ENV === "development" ? " 'unsafe-eval'" : "";
  return [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${development}`,
    "style-src 'self' 'unsafe-inline'", // charts and shelves set sizes in style attributes
    "img-src 'self' data: https:", // an operator's items may name pictures on their own servers
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}
