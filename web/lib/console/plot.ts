/** What a chart shows, before it is drawn. */

export interface Series {
  readonly name: string;
  readonly values: readonly (number | null)[];
  /** A colour of the theme, as `var(--…)`. */
  readonly colour: string;
  readonly isDashed?: boolean;
  /** What the legend tells of it, where that is neither its sum nor its newest value. */
  readonly told?: string;
}

/** Each series with all below it added: what a stacked area is drawn from. The last one is the whole. */
export function stacked(series: readonly Series[]): (number | null)[][] {
  const sums: number[] = [];
  return series.map(({ values }) =>
    values.map((value, place) => {
      sums[place] = (sums[place] ?? 0) + (value ?? 0);
      return sums[place];
    }),
  );
}

export function total(series: Series): number {
  return series.values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
}

/** The newest value that is known. */
export function latest(series: Series): number | null {
  return series.values.findLast((value) => value !== null) ?? null;
}

/** From which step on a timeline says anything: before the gateway began there is nothing to show. */
export function firstStep(timeline: { times_s: readonly number[]; began_s: number; step_s: number }): number {
  const first = timeline.times_s.findIndex((time) => time + timeline.step_s > timeline.began_s);
  return Math.max(0, Math.min(first, timeline.times_s.length - STEPS_MIN));
}

const STEPS_MIN = 8;

/** A limit holds between the moments at which it was met, too: gaps take the value before, the first ones the value after. */
export function lastedOver(values: readonly (number | null)[]): (number | null)[] {
  let last = values.find((value) => value !== null) ?? null;
  return values.map((value) => (last = value ?? last));
}

/** Places of values without a neighbour: a line does not show them, so that they want a dot. */
export function lonePlaces(values: readonly (number | null | undefined)[]): number[] {
  const isKnown = (place: number) => typeof values[place] === "number";
  return values.flatMap((_, place) => (isKnown(place) && !isKnown(place - 1) && !isKnown(place + 1) ? [place] : []));
}
