"""Ranks items for a history with additive item-item matrices; the terms of each sum are its explanation.

score(j) = sum over components c, interactions h of
    weight_c * W_c[item_h, j] * event_weight_h
    * 0.5**(rank_h / half_life_events_c) * 0.5**(age_days_h / half_life_days_c)

`rank_h` is 0 for the newest interaction, and ages count from it too: after a long pause only the differences matter, so
neither a returning user nor an old data set fades to nothing. Weights below zero are clipped
when a model is loaded, so that every term speaks for an item and the largest terms are the exact reason for its place.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from evershelf.contracts.events import EventType
from evershelf.contracts.inference import EVIDENCE_MAX
from evershelf.contracts.manifest import ServingComponent, ServingConfig
from evershelf.models.sparse_rows import (
    Float32s,
    Float64s,
    Int32s,
    Int64s,
    InvalidModelError,
    SparseRows,
    check_rows,
    rows_from_tensors,
)

UNKNOWN_ITEM = -1
NO_EVIDENCE = -1


@dataclass(frozen=True, slots=True)
class RankedList:
    """At most k items, best first, never with a score of zero.

    items int32[m]; scores float32[m]; evidence_items int32[m, 3] (item indices, NO_EVIDENCE where there are fewer);
    evidence_shares float32[m, 3] of the whole score, the largest first. `confidence` is the share (0..1) of the history
    that the model knows and has rows for; `evidence_items_known` counts the distinct items among it.
    """

    items: Int32s
    scores: Float32s
    evidence_items: Int32s
    evidence_shares: Float32s
    confidence: float
    evidence_items_known: int


class _Terms(NamedTuple):
    """All terms of all sums: which item each speaks for, which history item it comes from, and how much it says."""

    targets: Int32s
    origins: Int64s
    values: Float64s


class ItemItemRecommender:
    """A model version, ready to serve. Safe to share between threads; no request allocates a catalog's length."""

    def __init__(self, rows: Mapping[str, SparseRows], serving: ServingConfig, items: int) -> None:
        """Takes one matrix for each component of `serving`.

        Raises:
            InvalidModelError: a matrix is missing or unsound.
        """
        self.items = items
        self.serving = serving
        self._components: list[tuple[ServingComponent, SparseRows]] = []
        for component in serving.components:
            if component.name not in rows:
                raise InvalidModelError(f"component {component.name} has no matrix")
            check_rows(rows[component.name], component.name, items)
            self._components.append((component, _without_negatives(rows[component.name])))
        self._has_row = np.zeros(items, np.bool_)
        for _, matrix in self._components:
            self._has_row |= matrix.lengths() > 0
        self._scratch = threading.local()

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[np.generic]], serving: ServingConfig, items: int) -> Self:
        """The model of an artifact's tensors `<component>.indptr|indices|weights`.

        Raises:
            InvalidModelError: a tensor is missing or unsound.
        """
        rows = {component.name: rows_from_tensors(tensors, component.name, items) for component in serving.components}
        return cls(rows, serving, items)

    def event_weights(self, event_types: Sequence[EventType]) -> Float64s:
        """What each interaction counts by its kind: float64[n]; a kind the model was not told of counts nothing."""
        return np.array([self.serving.event_weights.get(kind, 0.0) for kind in event_types], np.float64)

    def rank(
        self,
        history_items: npt.NDArray[np.integer],
        event_weights: npt.NDArray[np.floating],
        ages_days: npt.NDArray[np.floating],
        *,
        k: int,
        excluded: npt.NDArray[np.integer] | None = None,
    ) -> RankedList:
        """The best `k` items for a history given newest first, none of `excluded` among them.

        history_items int[n], UNKNOWN_ITEM where the model does not know it; event_weights and ages_days float[n].
        The order is total: equal scores stand by item index, so that equal input gives equal output anywhere.
        """
        known = (history_items >= 0) & (history_items < self.items)
        known[known] &= self._has_row[history_items[known]]
        confidence = float(known.mean()) if len(known) else 0.0
        ranks = np.flatnonzero(known)
        ages_days = ages_days - ages_days.min(initial=np.inf)
        distinct, origin_of = _in_order_of_appearance(history_items[ranks])
        if k <= 0 or not len(distinct):
            return _nothing(confidence, len(distinct))
        strengths = [
            _sums(origin_of, _strength(component, ranks, event_weights[ranks], ages_days[ranks]), len(distinct))
            for component, _ in self._components
        ]
        terms = self._terms(distinct, strengths)
        if not len(terms.targets):
            return _nothing(confidence, len(distinct))
        candidates, sums_of = self._distinct_targets(terms.targets)
        scores = _sums(sums_of, terms.values, len(candidates))
        if excluded is not None and len(excluded):
            self._silence(scores, candidates, excluded)
        best = best_places(scores, candidates, k)
        contributions = _contributions(terms, sums_of, best, len(candidates), len(distinct))
        return _ranked_list(candidates[best], scores[best], contributions, distinct, confidence)

    def _terms(self, distinct: Int64s, strengths: list[Float64s]) -> _Terms:
        targets, origins, values = [], [], []
        for (_, matrix), strength in zip(self._components, strengths, strict=True):
            starts = matrix.indptr[distinct]
            lengths = matrix.indptr[distinct + 1] - starts
            # Positions of all weights of all wanted rows, without a Python loop over rows.
            offsets = np.repeat(starts - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
            positions = offsets + np.arange(len(offsets))
            targets.append(matrix.indices[positions])
            origins.append(np.repeat(np.arange(len(distinct)), lengths))
            values.append(np.repeat(strength, lengths) * matrix.weights[positions])
        return _Terms(np.concatenate(targets), np.concatenate(origins), np.concatenate(values))

    def _distinct_targets(self, targets: Int32s) -> tuple[Int32s, Int64s]:
        """Distinct targets and, for each target, its position among them; linear in the terms, without sorting.

        One cell per item remembers who wrote there last, so the cells need no clearing between requests (the sparse set
        of Briggs and Torczon, 1993): a target is kept where its own number survived.
        """
        cells = self._cells()
        numbers = np.arange(len(targets), dtype=np.int32)
        cells[targets] = numbers
        candidates = targets[cells[targets] == numbers]
        cells[candidates] = np.arange(len(candidates), dtype=np.int32)
        return candidates, cells[targets].astype(np.int64)

    def _silence(self, scores: Float64s, candidates: Int32s, excluded: npt.NDArray[np.integer]) -> None:
        """Sets the scores of excluded candidates to zero, through the same cells."""
        inside = excluded[(excluded >= 0) & (excluded < self.items)]
        positions = self._cells()[inside]
        hit = positions < len(candidates)
        hit[hit] &= candidates[positions[hit]] == inside[hit]
        scores[positions[hit]] = 0.0

    def _cells(self) -> Int32s:
        if not hasattr(self._scratch, "cells"):
            self._scratch.cells = np.zeros(self.items, np.int32)
        cells: Int32s = self._scratch.cells
        return cells


def _sums(places: Int64s, values: Float64s, length: int) -> Float64s:
    """The values added up by place, in the order given: the same input gives the same rounding."""
    return np.bincount(places, weights=values, minlength=length).astype(np.float64, copy=False)


def _without_negatives(rows: SparseRows) -> SparseRows:
    if not np.any(rows.weights < 0):
        return rows
    return SparseRows(rows.indptr, rows.indices, np.maximum(rows.weights, np.float32(0)))


def _in_order_of_appearance(values: npt.NDArray[np.integer]) -> tuple[Int64s, Int64s]:
    """Distinct values, the newest first, and each value's place among them: repeated interests make one term."""
    sorted_values, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    position_of = np.empty(len(order), np.int64)
    position_of[order] = np.arange(len(order))
    return sorted_values[order].astype(np.int64), position_of[inverse]


def _strength(
    component: ServingComponent,
    ranks: Int64s,
    event_weights: npt.NDArray[np.floating],
    ages_days: npt.NDArray[np.floating],
) -> Float64s:
    strength = component.weight * event_weights.astype(np.float64)
    if component.half_life_events is not None:
        strength *= 0.5 ** (ranks / component.half_life_events)
    if component.half_life_days is not None:
        strength *= 0.5 ** (ages_days.astype(np.float64) / component.half_life_days)
    return strength


def best_places(scores: Float64s, candidates: Int32s, k: int) -> Int64s:
    """Positions of the k best scores above zero, by score and then by item index."""
    eligible = np.flatnonzero(scores > 0)
    if len(eligible) > k:
        threshold = np.partition(scores[eligible], len(eligible) - k)[len(eligible) - k]
        eligible = eligible[scores[eligible] >= threshold]
    order = np.lexsort((candidates[eligible], -scores[eligible]))
    return eligible[order[:k]]


def _contributions(terms: _Terms, sums_of: Int64s, best: Int64s, candidates: int, origins: int) -> Float64s:
    """What each history item adds to each ranked item: float64[ranked, origins]; rows add up to the scores."""
    place = np.full(candidates, -1, np.int64)
    place[best] = np.arange(len(best))
    places = place[sums_of]
    shown = places >= 0
    cells = places[shown] * origins + terms.origins[shown]
    return _sums(cells, terms.values[shown], len(best) * origins).reshape(len(best), origins)


def _ranked_list(
    items: Int32s, scores: Float64s, contributions: Float64s, distinct: Int64s, confidence: float
) -> RankedList:
    # Among equal terms the newer interaction stands first: the sort is stable and origins are newest first.
    strongest = np.argsort(-contributions, axis=1, kind="stable")[:, :EVIDENCE_MAX]
    shares = np.take_along_axis(contributions, strongest, axis=1) / scores[:, None]
    evidence_items = np.full((len(items), EVIDENCE_MAX), NO_EVIDENCE, np.int32)
    evidence_shares = np.zeros((len(items), EVIDENCE_MAX), np.float32)
    width = strongest.shape[1]
    evidence_items[:, :width] = np.where(shares > 0, distinct[strongest], NO_EVIDENCE)
    evidence_shares[:, :width] = shares
    return RankedList(
        items,
        scores.astype(np.float32),
        evidence_items,
        evidence_shares,
        confidence,
        evidence_items_known=len(distinct),
    )


def _nothing(confidence: float, known: int) -> RankedList:
    return RankedList(
        np.empty(0, np.int32),
        np.empty(0, np.float32),
        np.empty((0, EVIDENCE_MAX), np.int32),
        np.empty((0, EVIDENCE_MAX), np.float32),
        confidence,
        evidence_items_known=known,
    )
