/** Sources and reasons in words: what a shopper and an operator read instead of the closed codes. */

import type { components } from "./gateway-types";

export type Source = components["schemas"]["Source"];
export type Reason = components["schemas"]["Reason"];

export const SOURCES: readonly Source[] = ["model", "related", "popular_in_category", "popular", "static"];

export const SOURCE_NAMES: Readonly<Record<Source, string>> = {
  model: "Model",
  related: "Related",
  popular_in_category: "Popular in category",
  popular: "Popular",
  static: "Static",
};

export const SOURCE_COLOURS: Readonly<Record<Source, string>> = {
  model: "var(--source-model)",
  related: "var(--source-related)",
  popular_in_category: "var(--source-popular-in-category)",
  popular: "var(--source-popular)",
  static: "var(--source-static)",
};

const REASON_WORDS: Readonly<Record<string, string>> = {
  personalized: "from this shopper's history",
  contextual: "goes with what is on the page",
  favourite_category: "popular where this shopper looks",
  popular: "popular now",
  static: "the list that ships with the process",
  no_history: "nothing is known of this shopper yet",
  empty_model_answer: "the model offered nothing",
  low_confidence: "the model was not sure",
  not_in_ladder: "this placement does not ask the model",
  deadline_exceeded: "the model did not answer in time",
  budget_too_small: "too little time was left for the model",
  overloaded: "the gateway is busy",
  history_unavailable: "the history could not be read",
  circuit_open: "the model service has been failing and is left alone",
  inference_unavailable: "the model service cannot be reached",
  inference_error: "the model service answered with an error",
  inference_invalid: "the model's answer was not valid",
  internal_error: "asking the model failed",
  no_model: "the model service holds no model",
  nothing_to_offer: "nothing (more) to offer",
  empty_catalog: "no item may be shown",
};

/** A reason in words; a code that a newer gateway made up is shown as it is. */
export function reasonInWords(reason: string): string {
  return REASON_WORDS[reason] ?? reason.replaceAll("_", " ");
}

export function sourceName(source: string): string {
  return SOURCE_NAMES[source as Source] ?? source.replaceAll("_", " ");
}

export function sourceColour(source: string): string {
  return SOURCE_COLOURS[source as Source] ?? "var(--muted)";
}
