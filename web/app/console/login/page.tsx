import type { Metadata } from "next";
import { LibraryBig } from "lucide-react";
import { Button } from "@/components/ui/button";
import { isConsoleOpen } from "@/lib/server/sessions";

export const metadata: Metadata = { title: { absolute: "Log in · Evershelf console" } };

const WHY: Readonly<Record<string, string>> = {
  wrong: "That is not the password.",
  shut: "Too many attempts. Try again in a minute.",
};

export default async function LoginPage({ searchParams }: { searchParams: Promise<{ why?: string; next?: string }> }) {
  const { why, next } = await searchParams;
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="w-full max-w-sm rounded-xl border bg-surface p-6">
        <h1 className="flex items-center gap-2 text-lg font-semibold">
          <LibraryBig aria-hidden="true" className="size-6 text-accent" strokeWidth={1.6} /> Evershelf console
        </h1>
        {isConsoleOpen() ? (
          <form action="/api/session" method="post" className="mt-5">
            {next && <input type="hidden" name="next" value={next} />}
            <label htmlFor="password" className="text-sm font-medium">
              Password
            </label>
            <input id="password" name="password" type="password" autoComplete="current-password" required autoFocus aria-describedby="hint" aria-invalid={why ? true : undefined} className="mt-1 h-10 w-full rounded-md border border-line-strong bg-canvas px-3" />
            <p role="alert" className="mt-2 h-5 text-sm text-bad">
              {why ? WHY[why] : ""}
            </p>
            <Button type="submit" kind="primary" className="mt-1 w-full">
              Log in
            </Button>
            <p id="hint" className="mt-4 text-xs leading-5 text-muted">
              Made when this Evershelf was installed: <code className="font-mono">secrets/web_password</code> in its data folder. <code className="font-mono">evershelf up</code> prints it.
            </p>
          </form>
        ) : (
          <p className="mt-4 text-sm text-muted">
            This process was started without a password, a session secret or a key of its own, so that there is no console. <code className="font-mono">evershelf up</code> makes all three.
          </p>
        )}
      </div>
    </main>
  );
}
