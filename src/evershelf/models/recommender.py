"""Ranks items for a history with additive item-item matrices; the terms of each sum are its explanation.

score(j) = trend_j * sum over components c, interactions h of
    weight_c * W_c[item_h, j] * event_weight_h
    * 0.5**(rank_h / half_life_events_c) * 0.5**(age_days_h / half_life_days_c)
  + prior_weight * prior_j

`rank_h` is 0 for the newest interaction, and ages count from it too: after a long pause only the differences matter, so
neither a returning user nor an old data set fades to nothing. Weights below zero are clipped
when a model is loaded, so that every term speaks for an item and the largest terms are the exact reason for its place.
The prior (popularity) and the trend are left out where a model has none.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from evershelf.contracts.events import EventType
from evershelf.contracts.manifest import ServingConfig
from evershelf.models.ranking_kernels import Queries, Scratch, Stack, rank, rank_many, scratch_for
from evershelf.models.sparse_rows import (
    Float32s,
    Float64s,
    Int32s,
    InvalidModelError,
    SparseRows,
    check_rows,
    rows_from_tensors,
)

UNKNOWN_ITEM = -1
NO_EVIDENCE = -1
PRIOR = "prior"
TREND = "trend"
_QUERIES_PER_PORTION = 64


@dataclass(frozen=True, slots=True)
class Priors:
    """What is known of items without any history: float32[n] each, or None where it plays no part."""

    prior: Float32s | None = None
    trend: Float32s | None = None


@dataclass(frozen=True, slots=True)
class RankedList:
    """At most k items, best first, never with a score of zero.

    items int32[m]; scores float32[m]; evidence_items int32[m, 3] (item indices, NO_EVIDENCE where there are fewer);
    evidence_shares float32[m, 3] of the whole score, the largest first. `evidence_items_known` counts the distinct
    items of the history that the model has rows for, `known_share` is their events' share of it (0..1), and
    `personal_share` is what the history contributes to the scores of the whole list; the prior contributes the rest.
    """

    items: Int32s
    scores: Float32s
    evidence_items: Int32s
    evidence_shares: Float32s
    known_share: float
    evidence_items_known: int
    personal_share: float


class ItemItemRecommender:
    """A model version, ready to serve. Safe to share between threads; no request allocates a catalog's length."""

    def __init__(
        self, rows: Mapping[str, SparseRows], serving: ServingConfig, items: int, priors: Priors | None = None
    ) -> None:
        """Takes one matrix for each component of `serving`, and the priors it names.

        Raises:
            InvalidModelError: a matrix or a prior is missing or unsound.
        """
        self.items = items
        self.serving = serving
        for component in serving.components:
            if component.name not in rows:
                raise InvalidModelError(f"component {component.name} has no matrix")
            check_rows(rows[component.name], component.name, items)
        self._stack = _stack(rows, serving, _checked(priors or Priors(), serving, items))
        self._event_weights = {kind: serving.event_weights.get(kind, 0.0) for kind in EventType}
        self._scratch = threading.local()

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, npt.NDArray[np.generic]], serving: ServingConfig, items: int) -> Self:
        """The model of an artifact's tensors `<component>.indptr|indices|weights` and, where it has them, its priors.

        Raises:
            InvalidModelError: a tensor is missing or unsound.
        """
        rows = {component.name: rows_from_tensors(tensors, component.name, items) for component in serving.components}
        found = {name: tensors.get(name) for name in (PRIOR, TREND)}
        for name, array in found.items():
            if array is not None and array.dtype != np.float32:
                raise InvalidModelError(f"{name} holds {array.dtype} where float32 belongs")
        prior, trend = (None if array is None else np.asarray(array, np.float32) for array in found.values())
        return cls(rows, serving, items, Priors(prior, trend))

    def event_weights(self, event_types: Sequence[EventType]) -> Float64s:
        """What each interaction counts by its kind: float64[n]; a kind the model was not told of counts nothing."""
        return np.array([self._event_weights[kind] for kind in event_types], np.float64)

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
        told = (
            np.asarray(history_items, np.int64),
            np.asarray(event_weights, np.float64),
            np.asarray(ages_days, np.float64),
        )
        hidden = np.empty(0, np.int64) if excluded is None else np.asarray(excluded, np.int64)
        items, scores, evidence, shares, personal, known, distinct = rank(
            told, hidden, min(max(k, 0), self.items), self._stack, self._cells()
        )
        total = float(scores.sum())
        return RankedList(
            items,
            scores.astype(np.float32),
            evidence,
            shares,
            known_share=known / max(len(history_items), 1),
            evidence_items_known=distinct,
            personal_share=min(float(personal.sum()) / total, 1.0) if total > 0 else 0.0,
        )

    def rank_all(self, queries: Queries, *, k: int) -> Int32s:
        """The best `k` items of each of many queries, on all cores: int32[queries, k], padded with UNKNOWN_ITEM."""
        lists = np.empty((len(queries.begins) - 1, k), np.int32)

        def portion(first: int) -> None:
            rank_many(
                (first, min(first + _QUERIES_PER_PORTION, len(lists))), queries, self._stack, self._cells(), lists
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(portion, range(0, len(lists), _QUERIES_PER_PORTION)))  # the list raises what a portion raised
        return lists

    def _cells(self) -> Scratch:
        if not hasattr(self._scratch, "cells"):
            self._scratch.cells = scratch_for(self.items)
        cells: Scratch = self._scratch.cells
        return cells


def _stack(rows: Mapping[str, SparseRows], serving: ServingConfig, priors: Priors) -> Stack:
    parts = [rows[component.name] for component in serving.components]
    begins = np.concatenate(([0], np.cumsum([len(part.indices) for part in parts])[:-1]))
    prior = np.empty(0, np.float32) if priors.prior is None else priors.prior * np.float32(serving.prior_weight)
    order = np.lexsort((np.arange(len(prior)), -prior))
    return Stack(
        np.stack([part.indptr + begin for part, begin in zip(parts, begins, strict=True)]).astype(np.int64),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([np.maximum(part.weights, np.float32(0)) for part in parts]),
        np.array([component.weight for component in serving.components], np.float64),
        np.array([component.half_life_events or np.inf for component in serving.components], np.float64),
        np.array([component.half_life_days or np.inf for component in serving.components], np.float64),
        np.empty(0, np.float32) if priors.trend is None else priors.trend,
        prior.astype(np.float32),
        order[prior[order] > 0].astype(np.int32),
    )


def _checked(priors: Priors, serving: ServingConfig, items: int) -> Priors:
    """The priors that the configuration names, and no others."""
    named = {PRIOR: priors.prior if serving.prior_weight else None, TREND: priors.trend if serving.trend else None}
    wanted = {PRIOR: bool(serving.prior_weight), TREND: serving.trend}
    for name, array in named.items():
        if wanted[name] and (array is None or array.shape != (items,)):
            raise InvalidModelError(f"no {name} float32[{items}]")
        if array is not None and not (np.all(np.isfinite(array)) and np.all(array >= 0)):
            raise InvalidModelError(f"{name} is not finite, or below zero")
    return Priors(named[PRIOR], named[TREND])
