"""The compiled loops of serving: scatter the rows of a history, keep the best k in a heap, tell what each came from.

A score is added up in one order, component by component and interaction by interaction, so that equal input gives equal
bytes.
"""

from typing import NamedTuple

import numpy as np

from evershelf.contracts.inference import EVIDENCE_MAX
from evershelf.models.compiled import compiled
from evershelf.models.heap import keep, unload
from evershelf.models.sparse_rows import Float32s, Float64s, Int32s, Int64s

# A history, newest first: items, what each event is worth, and its age in days.
Told = tuple[Int64s, Float64s, Float64s]
# Its distinct items that have rows, the newest first, and what each counts for every component: float64[c, d].
Basis = tuple[Int32s, Float64s]


class Queries(NamedTuple):
    """Many histories end to end: query q is begins[q]:begins[q + 1] of `told` and hides[q]:hides[q + 1] of `hidden`."""

    begins: Int64s
    told: Told
    hides: Int64s
    hidden: Int64s


class Stack(NamedTuple):
    """All components of a model: row `i` of component `c` is starts[c, i]:starts[c, i + 1] of indices and weights.

    `weight`, `half_life_events` and `half_life_days` (infinite: no decay) are float64[c]. `trend` multiplies, `prior`
    adds (both float32[n], or empty: not used); `prior_order` names the items of a positive prior, best first.
    """

    starts: Int64s
    indices: Int32s
    weights: Float32s
    weight: Float64s
    half_life_events: Float64s
    half_life_days: Float64s
    trend: Float32s
    prior: Float32s
    prior_order: Int32s


class Scratch(NamedTuple):
    """Cells that a thread keeps between queries: scores float64[n] all 0, touched int32[n], places int32[n] all -1."""

    scores: Float64s
    touched: Int32s
    places: Int32s


def scratch_for(items: int) -> Scratch:
    """Clean cells for a catalog of that size."""
    return Scratch(np.zeros(items), np.empty(items, np.int32), np.full(items, -1, np.int32))


@compiled
def rank(
    told: Told, hidden: Int64s, k: int, stack: Stack, scratch: Scratch
) -> tuple[Int32s, Float64s, Int32s, Float32s, Float64s, int, int]:
    """Items and scores, best first; per item the evidence, its shares and the personal part; known entries and items.

    Entries of the history and of `hidden` outside the catalog are passed over.
    """
    basis, known = _basis(told, stack, scratch.places)
    best = _best(basis, hidden, k, stack, scratch)
    evidence, shares, personal = _evidence(best, basis, stack, scratch.places)
    return best[0], best[1], evidence, shares, personal, known, len(basis[0])


@compiled
def rank_many(portion: tuple[int, int], queries: Queries, stack: Stack, scratch: Scratch, lists: Int32s) -> None:
    """Writes to lists[first:last] the best items of each query of the portion, padded with -1."""
    items, worth, ages_days = queries.told
    for query in range(portion[0], portion[1]):
        part = slice(queries.begins[query], queries.begins[query + 1])
        basis, _ = _basis((items[part], worth[part], ages_days[part]), stack, scratch.places)
        hidden = queries.hidden[queries.hides[query] : queries.hides[query + 1]]
        best, _ = _best(basis, hidden, lists.shape[1], stack, scratch)
        lists[query, : len(best)] = best
        lists[query, len(best) :] = -1


@compiled
def _basis(told: Told, stack: Stack, places: Int32s) -> tuple[Basis, int]:
    """The history as the model sees it, and how many of its entries that are."""
    history, worth, ages_days = told
    components, items = len(stack.weight), stack.starts.shape[1] - 1
    origins = np.empty(len(history), np.int32)
    strengths = np.zeros((components, len(history)), np.float64)
    newest = ages_days.min() if len(history) else 0.0
    known = distinct = 0
    for entry in range(len(history)):
        item = history[entry]
        if item < 0 or item >= items:
            continue
        if places[item] < 0:
            has_row = False
            for component in range(components):
                has_row |= stack.starts[component, item + 1] > stack.starts[component, item]
            if not has_row:
                continue
            places[item] = distinct
            origins[distinct] = item
            distinct += 1
        known += 1
        for component in range(components):
            decay = entry / stack.half_life_events[component]
            decay += (ages_days[entry] - newest) / stack.half_life_days[component]
            strengths[component, places[item]] += stack.weight[component] * worth[entry] * 0.5**decay
    for place in range(distinct):
        places[origins[place]] = -1
    return (origins[:distinct], strengths[:, :distinct].copy()), known


@compiled
def _best(basis: Basis, hidden: Int64s, k: int, stack: Stack, scratch: Scratch) -> tuple[Int32s, Float64s]:
    """The best k items and their scores; leaves the scratch as clean as it was."""
    scores, touched = scratch.scores, scratch.touched
    met = _scatter(basis, stack, scratch)
    for item in hidden:
        if 0 <= item < len(scores):
            scores[item] = -1.0
    best_items, best_scores = np.empty(k, np.int32), np.empty(k, np.float64)
    size = _select(met, len(basis[0]) > 0, stack, scratch, (best_items, best_scores))
    for place in range(met):
        scores[touched[place]] = 0.0
    for item in hidden:
        if 0 <= item < len(scores):
            scores[item] = 0.0
    return unload(best_scores, best_items, size)


@compiled
def _select(met: int, filled: bool, stack: Stack, scratch: Scratch, best: tuple[Int32s, Float64s]) -> int:  # noqa: FBT001 - numba takes arguments by position
    """Fills the heap with the best of what was touched and, where `filled`, of the prior; how many these are."""
    best_items, best_scores = best
    scores = scratch.scores
    size = 0
    for place in range(met):
        item = scratch.touched[place]
        if scores[item] > 0.0:
            total = scores[item] * stack.trend[item] if len(stack.trend) else scores[item]
            total += stack.prior[item] if len(stack.prior) else 0.0
            size = keep(best_scores, best_items, size, total, item)
    # Of items that the history says nothing about, only the k best by their prior can be among the best.
    alone = 0 if filled else len(best_items)
    for item in stack.prior_order:
        if alone == len(best_items):
            break
        if scores[item] == 0.0:
            size = keep(best_scores, best_items, size, stack.prior[item], item)
            alone += 1
    return size


@compiled
def _scatter(basis: Basis, stack: Stack, scratch: Scratch) -> int:
    """Adds all terms to the scores; how many items were touched."""
    origins, strengths = basis
    scores, touched = scratch.scores, scratch.touched
    met = 0
    for component in range(len(strengths)):
        starts = stack.starts[component]
        for place in range(len(origins)):
            strength = strengths[component, place]
            for cell in range(starts[origins[place]], starts[origins[place] + 1]):
                target = stack.indices[cell]
                value = strength * stack.weights[cell]
                if value > 0.0:
                    if scores[target] == 0.0:
                        touched[met] = target
                        met += 1
                    scores[target] += value
    return met


@compiled
def _evidence(
    best: tuple[Int32s, Float64s], basis: Basis, stack: Stack, places: Int32s
) -> tuple[Int32s, Float32s, Float64s]:
    """The largest terms of each sum their shares of it, -1 and 0 where there are fewer; and the sum of all terms."""
    items, scores = best
    origins, strengths = basis
    terms = np.zeros((len(items), len(origins)), np.float64)
    for place in range(len(items)):
        places[items[place]] = place
    for component in range(len(strengths)):
        starts = stack.starts[component]
        for origin in range(len(origins)):
            strength = strengths[component, origin]
            for cell in range(starts[origins[origin]], starts[origins[origin] + 1]):
                place = places[stack.indices[cell]]
                if place >= 0:
                    terms[place, origin] += strength * stack.weights[cell]
    evidence = np.full((len(items), EVIDENCE_MAX), -1, np.int32)
    shares = np.zeros((len(items), EVIDENCE_MAX), np.float32)
    personal = np.zeros(len(items), np.float64)
    for place in range(len(items)):
        places[items[place]] = -1
        factor = stack.trend[items[place]] if len(stack.trend) else np.float32(1.0)
        for origin in range(len(origins)):
            terms[place, origin] *= factor
            personal[place] += terms[place, origin]
        for piece in range(min(EVIDENCE_MAX, len(origins))):
            largest = np.argmax(terms[place])  # of equals the newest
            if terms[place, largest] > 0.0:
                evidence[place, piece] = origins[largest]
                shares[place, piece] = terms[place, largest] / scores[place]
                terms[place, largest] = 0.0
    return evidence, shares, personal
