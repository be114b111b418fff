"""Figures of merit of ranked lists: plain functions of hits, checked by hand in the tests."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evershelf.models.sparse_rows import Float64s

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
