/** What every route handler checks before it does anything: same origin, bounded body, a way back. */

import "server-only";

import { NextResponse, type NextRequest } from "next/server";

export const BODY_BYTES_MAX = 65_536;

/** Whether our own page made this request. Browsers send Sec-Fetch-Site or Origin with every POST. */
export function isOwnOrigin(request: NextRequest): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site) return site === "same-origin" || site === "none";
  const origin = request.headers.get("origin");
  // A page without an origin of its own (a sandbox, a file) says `null`, which is none of ours.
  return origin !== null && URL.canParse(origin) && new URL(origin).host === request.headers.get("host");
}

/** The body as text, or null where it is larger than allowed. */
export async function boundedText(request: NextRequest, bytesMax = BODY_BYTES_MAX): Promise<string | null> {
  const declared = Number(request.headers.get("content-length") ?? "0");
  if (declared > bytesMax) return null;
  const reader = request.body?.getReader();
  if (!reader) return "";
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > bytesMax) {
      await reader.cancel();
      return null;
    }
    parts.push(value);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** The fields of a small form, or null where it is none. */
export async function formFields(request: NextRequest): Promise<URLSearchParams | null> {
  if (!isOwnOrigin(request)) return null;
  const text = await boundedText(request);
  return text === null ? null : new URLSearchParams(text);
}

/** Back to a page of ours: only a path is ever followed, so that a form cannot send anybody elsewhere. */
export function backTo(path: string | null, otherwise = "/"): NextResponse {
  const isOurs = path !== null && path.startsWith("/") && !path.startsWith("//") && !path.includes("\\");
  return new NextResponse(null, { status: 303, headers: { Location: isOurs ? path : otherwise } });
}

export function refused(status: number, message: string): NextResponse {
  return NextResponse.json({ title: message, status }, { status, headers: { "Content-Type": "application/problem+json" } });
}
