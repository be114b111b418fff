/** The demo shop's pictures: SVG files of the installation's data folder. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readSettings } from "@/lib/server/settings";

const NAME = /^[\w-]{1,128}\.svg$/;

export async function GET(_request: Request, { params }: { params: Promise<{ name: string }> }): Promise<Response> {
  const { name } = await params;
  const { picturesDir } = readSettings();
  if (!picturesDir || !NAME.test(name)) return new Response("no such picture\n", { status: 404 });
  try {
    const picture = await readFile(join(picturesDir, name), "utf8");
    return new Response(picture, {
      headers: {
        "Content-Type": "image/svg+xml",
        "Cache-Control": "public, max-age=86400",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options": "nosniff",
      },
    });
  } catch {
    return new Response("no such picture\n", { status: 404 });
  }
}
