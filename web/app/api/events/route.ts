/** The browser's door for events; `navigator.sendBeacon` posts here. */

import { NextResponse, type NextRequest } from "next/server";
import { boundedText, isOwnOrigin, refused } from "@/lib/server/door";
import { parseHappenings, report } from "@/lib/server/events";
import { GatewayTrouble } from "@/lib/server/gateway";
import { currentVisitor } from "@/lib/server/visitor";

export async function POST(request: NextRequest): Promise<NextResponse> {
  if (!isOwnOrigin(request)) return refused(403, "only this shop's own pages report here");
  const happenings = parseHappenings(parseJson(await boundedText(request)));
  if (!happenings) return refused(422, "no report of events");
  try {
    await report(await currentVisitor(), happenings);
  } catch (error) {
    if (error instanceof GatewayTrouble) return refused(503, "the events were not stored");
    throw error;
  }
  return new NextResponse(null, { status: 204 });
}

function parseJson(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
