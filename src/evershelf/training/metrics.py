"""Figures of merit of ranked lists: plain functions of hits, checked by hand in the tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from evershelf.models.sparse_rows import Float64s, Int32s, Int64s

# Histories are told apart by how many interactions they hold: from each number up to the next.
HISTORY_BUCKETS = (0, 1, 2, 5, 10, 25)
BOOTSTRAP_ROUNDS = 1_000
CONFIDENCE = 0.95


def recall_at(hits: npt.NDArray[np.bool_], targets: int) -> float:
    """The share of a user's `targets` found in his list; `hits` bool[<= k] tells which places hold one."""
    return float(hits.sum()) / targets


def ndcg_at(hits: npt.NDArray[np.bool_], targets: int, *, k: int) -> float:
    """Hits discounted by log2(place + 1), as a share of the best list possible.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002), with binary gains.
    """
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    return float(discounts[: len(hits)][hits].sum() / discounts[: min(targets, k)].sum())


def reciprocal_rank(hits: npt.NDArray[np.bool_]) -> float:
    """1 / the place of the first hit; 0 without one."""
    return 1.0 / (1 + int(hits.argmax())) if hits.any() else 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float


def paired_bootstrap(differences: Float64s, *, seed: int) -> Interval:
    """The mean difference a user, and the interval that holds it in 95 % of samples of users drawn with replacement.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), percentile interval.
    """
    if not len(differences):
        return Interval(0.0, 0.0, 0.0)
    random = np.random.default_rng(seed)
    means = np.array([
        differences[random.integers(0, len(differences), len(differences))].mean() for _ in range(BOOTSTRAP_ROUNDS)
    ])  # fmt: skip
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(differences.mean()), float(low), float(high))


class Asked(Protocol):
    """What a list is judged by: the history it was made from, and the items that were wanted."""

    @property
    def items(self) -> Int32s:
        """The history."""

    @property
    def targets(self) -> Int64s:
        """The wanted items, each once."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Lists of at most 20 items and, list by list, their figures."""

    lists: list[Int32s]
    recall_20: Float64s
    ndcg_20: Float64s
    recall_10: Float64s
    ndcg_10: Float64s
    hit_10: Float64s
    reciprocal: Float64s

    def means(self) -> dict[str, float]:
        """The figures by their published names."""
        named = {
            "recall@20": self.recall_20,
            "ndcg@20": self.ndcg_20,
            "recall@10": self.recall_10,
            "ndcg@10": self.ndcg_10,
            "hit_rate@10": self.hit_10,
            "mrr": self.reciprocal,
        }
        return {name: float(values.mean()) for name, values in named.items()}


def judge(lists: list[Int32s], asked: Sequence[Asked]) -> Judged:
    """Every list against what was wanted."""
    rows = []
    for shown, case in zip(lists, asked, strict=True):
        hits, count = np.isin(shown, case.targets), len(case.targets)
        top = hits[:10]
        rows.append((
            recall_at(hits, count), ndcg_at(hits, count, k=20), recall_at(top, count), ndcg_at(top, count, k=10),
            float(top.any()), reciprocal_rank(hits),
        ))  # fmt: skip
    columns = np.array(rows, np.float64).reshape(len(rows), 6).T
    return Judged(lists, *columns)


def spread(lists: Sequence[Int32s], popularity: Float64s) -> dict[str, float]:
    """How widely the lists range over the catalog.

    coverage: the share of items shown to anybody. effective_items: 2 to the entropy of what is shown, the number of
    items that shown evenly would be as diverse. novelty: mean -log2 of the share of all interest that an item has (an
    item without any counts as the rarest). popularity_rank: mean place of the shown items by popularity, 0 (top) to 1.
    """
    items = len(popularity)
    shown = np.concatenate([np.empty(0, np.int32), *lists])
    share = np.bincount(shown, minlength=items) / max(len(shown), 1)
    present = share[share > 0]
    floor = popularity[popularity > 0].min() if popularity.any() else 1.0
    surprise = -np.log2(np.maximum(popularity, floor) / max(popularity.sum(), floor))
    place = np.empty(items)
    place[np.argsort(-popularity, kind="stable")] = np.arange(items) / max(items - 1, 1)
    return {
        "coverage": len(present) / items,
        "effective_items": float(2 ** -(present * np.log2(present)).sum()) if len(present) else 0.0,
        "novelty": float(surprise[shown].mean()) if len(shown) else 0.0,
        "popularity_rank": float(place[shown].mean()) if len(shown) else 0.0,
    }


def buckets(judged: Judged, asked: Sequence[Asked]) -> dict[str, dict[str, float]]:
    """Users and means by the length of the history, for the buckets that occur."""
    lengths = np.array([len(case.items) for case in asked])
    found = {}
    for place, first in enumerate(HISTORY_BUCKETS):
        last = HISTORY_BUCKETS[place + 1] - 1 if place + 1 < len(HISTORY_BUCKETS) else None
        inside = (lengths >= first) & (lengths <= (last if last is not None else lengths.max(initial=0)))
        if inside.any():
            name = f"{first}+" if last is None else str(first) if last == first else f"{first}-{last}"
            found[name] = {
                "users": int(inside.sum()),
                "recall@20": float(judged.recall_20[inside].mean()),
                "ndcg@10": float(judged.ndcg_10[inside].mean()),
            }
    return found
