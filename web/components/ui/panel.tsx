/** A framed part of a page with a heading, and the small things that stand in it. */

import { classNames } from "@/lib/class-names";

export function Panel({
  title,
  note,
  actions,
  className,
  children,
}: {
  title: React.ReactNode;
  note?: React.ReactNode;
  actions?: React.ReactNode;
  className?: string;
  children: React.ReactNode;
}) {
  return (
    <section className={classNames("min-w-0 rounded-lg border bg-surface", className)}>
      <div className="flex min-h-10 items-center gap-x-3 px-4 pt-2.5">
        <h2 className="min-w-0 text-sm font-semibold">{title}</h2>
        {note && <p className="min-w-0 flex-1 basis-0 text-xs leading-4 text-pretty text-muted">{note}</p>}
        {actions && <div className="ml-auto flex shrink-0 items-center gap-1">{actions}</div>}
      </div>
      <div className="px-4 pt-1.5 pb-3">{children}</div>
    </section>
  );
}

const TONES = {
  neutral: "bg-sunken text-ink",
  good: "bg-good-soft text-good",
  warn: "bg-warn-soft text-warn",
  bad: "bg-bad-soft text-bad",
  accent: "bg-accent-soft text-accent",
} as const;

export type Tone = keyof typeof TONES;

export function Badge({ tone = "neutral", children }: { tone?: Tone; children: React.ReactNode }) {
  return <span className={classNames("inline-flex items-center gap-1 rounded px-1.5 text-xs leading-5 font-medium whitespace-nowrap", TONES[tone])}>{children}</span>;
}

/** One figure with its name, as it stands in a row of such. */
export function Figure({ name, value, note, tone }: { name: string; value: React.ReactNode; note?: React.ReactNode; tone?: Tone }) {
  const colour = tone === "bad" ? "text-bad" : tone === "warn" ? "text-warn" : tone === "good" ? "text-good" : "";
  return (
    <div className="min-w-0 rounded-lg border bg-surface px-4 py-3">
      <dt className="text-xs text-muted">{name}</dt>
      <dd className={classNames("mt-0.5 text-2xl leading-8 font-semibold tracking-tight tabular-nums", colour)}>{value}</dd>
      {note && <dd className="text-xs leading-4 text-pretty text-muted tabular-nums">{note}</dd>}
    </div>
  );
}

/** What stands where there is nothing yet: why, and the command that changes it. */
export function Empty({ children, command }: { children: React.ReactNode; command?: string }) {
  return (
    <div className="rounded-md bg-sunken px-4 py-5 text-sm text-muted">
      <p>{children}</p>
      {command && <code className="mt-2 inline-block rounded border bg-surface px-2 py-1 font-mono text-xs text-ink">{command}</code>}
    </div>
  );
}

/** Names and values, one a line. */
export function Facts({ facts }: { facts: readonly (readonly [string, React.ReactNode])[] }) {
  return (
    <dl className="grid grid-cols-[fit-content(45%)_1fr] content-start gap-x-4 gap-y-1 text-sm">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0 break-words tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
