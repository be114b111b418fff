/** A shelf that streams into its page: never empty while anything is known, never late, honest about what it is. */

import { Suspense } from "react";
import { formatSpan } from "@/lib/times";
import { reasonInWords, sourceColour, sourceName } from "@/lib/sources";
import { titlesOf } from "@/lib/server/catalog";
import type { Recommendation } from "@/lib/server/gateway";
import { serveShelf, type ServedShelf, type ShelfQuestion } from "@/lib/server/shelf";
import { isExplaining, runsScripts } from "@/lib/server/visitor";
import { Card, CardExplanation, CardSkeleton, GRID } from "./card";
import { ShelfEvents } from "./shelf-events";

const TROUBLE_WORDS = {
  unreachable: "the gateway cannot be reached",
  timeout: "the gateway did not answer within 400 ms",
  refused: "the gateway refused the question",
  invalid: "the gateway's answer could not be read",
} as const;

interface ShelfProps {
  readonly title: string;
  readonly question: ShelfQuestion;
  readonly size: number;
  /** The first shelf of a page: its pictures are loaded at once. */
  readonly isFirst?: boolean;
}

export async function Shelf(props: ShelfProps) {
  const [explains, streams] = await Promise.all([isExplaining(), runsScripts()]);
  const body = <ShelfBody {...props} explains={explains} />;
  return (
    <section aria-label={props.title} className="mt-10" data-testid={`shelf-${props.question.placement}`}>
      <h2 className="h-8 font-serif text-2xl leading-8">{props.title}</h2>
      {/* A browser without scripts would keep the skeleton: until it has shown that it runs them, the page waits. */}
      {streams ? <Suspense fallback={<ShelfSkeleton size={props.size} explains={explains} />}>{body}</Suspense> : body}
    </section>
  );
}

async function ShelfBody({ question, size, isFirst = false, explains }: ShelfProps & { explains: boolean }) {
  const served = await serveShelf(question);
  const { answer } = served;
  const entries = answer?.items.slice(0, size) ?? [];
  if (!answer || entries.length === 0) return <NothingYet size={size} explains={explains} />;
  const titles = explains ? await titlesOf(entries.flatMap((entry) => entry.because.slice(0, 1).map((cause) => cause.item_id))) : new Map<string, string>();
  const origin = { recommendationId: answer.recommendation_id, placement: answer.placement };
  return (
    <div data-served-from={served.from} data-source={answer.source} data-reason={answer.reason}>
      <StatusLine served={served} />
      {explains && <ShelfExplanation served={served} answer={answer} />}
      <ShelfEvents recommendationId={answer.recommendation_id} placement={answer.placement}>
        <ul className={GRID}>
          {entries.map((entry, place) => (
            <Card key={entry.item_id} item={entry.item} origin={origin} eager={isFirst && place < 5}>
              {explains && <CardExplanation entry={entry} titles={titles} />}
            </Card>
          ))}
        </ul>
      </ShelfEvents>
    </div>
  );
}

/** One line of constant height: empty while all is well, a plain word when the list is an older one. */
function StatusLine({ served }: { served: ServedShelf }) {
  const what = served.from === "last_list" ? "The list you last saw here" : "What was popular";
  return (
    <p className="mb-2 h-6 truncate text-sm leading-6 text-muted" data-testid="shelf-status">
      {served.from !== "gateway" && `${what}, ${formatSpan(served.ageS)} old: fresh ones are on their way back.`}
    </p>
  );
}

function ShelfExplanation({ served, answer }: { served: ServedShelf; answer: Recommendation }) {
  const facts: [string, React.ReactNode][] = [
    ["source", <SourceMark key="source" source={answer.source} />],
    ["why", reasonInWords(answer.reason)],
    ["degraded", answer.degraded ? <strong className="font-medium text-warn" key="yes">yes</strong> : "no"],
    ["model", answer.model_version ?? "none"],
    ["elapsed", `${answer.elapsed_ms.toFixed(1)} of ${answer.deadline_ms} ms`],
  ];
  if (served.trouble) facts.unshift(["shown", `${served.from === "last_list" ? "last list" : "last popular list"}, because ${TROUBLE_WORDS[served.trouble]}`]);
  return (
    <dl className="mb-3 flex h-32 flex-wrap content-center items-baseline gap-x-5 gap-y-1 overflow-hidden rounded-md border bg-surface px-3 py-1 text-xs sm:h-20 xl:h-14" data-testid="shelf-explanation">
      {facts.map(([name, value]) => (
        <div key={name} className="flex min-w-0 items-baseline gap-1.5">
          <dt className="text-muted">{name}</dt>
          <dd className="truncate font-medium tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function SourceMark({ source }: { source: string }) {
  return (
    <span className="inline-flex items-center gap-1.5">
      <span aria-hidden="true" className="size-2 rounded-full" style={{ background: sourceColour(source) }} />
      {sourceName(source)}
    </span>
  );
}

function NothingYet({ size, explains }: { size: number; explains: boolean }) {
  return (
    <div className="relative" data-served-from="nothing">
      <div className="invisible">
        <ShelfSkeleton size={size} explains={explains} />
      </div>
      <p className="absolute inset-x-0 top-0 rounded-lg border bg-surface p-6 text-muted">
        The shelves have not been filled since this shop opened its doors. Please look in again in a moment.
      </p>
    </div>
  );
}

function ShelfSkeleton({ size, explains }: { size: number; explains: boolean }) {
  return (
    <div>
      <div className="mb-2 h-6" />
      {explains && <div className="mb-3 h-32 rounded-md bg-sunken sm:h-20 xl:h-14" />}
      <ul className={GRID}>
        {Array.from({ length: size }, (_, place) => (
          <CardSkeleton key={place} withExplanation={explains} />
        ))}
      </ul>
    </div>
  );
}
