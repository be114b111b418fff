"""The new recipe against the reigning champion's, on the same users: overall, and by how much is known of them.

Both recipes are fitted on what came before the test window. The champion itself has learned from the window and would
win by memory; its recipe is what another training run would keep.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evershelf.models.recommender import ItemItemRecommender
from evershelf.models.sparse_rows import Float64s
from evershelf.training.evaluate import Case, figures, served_lists
from evershelf.training.metrics import Interval, paired_bootstrap

# By the number of interactions in the history; the last one is open.
BUCKETS = ((1, 1), (2, 4), (5, 9), (10, 24), (25, None))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Users with a history of about one length; `gain` is relative to the champion's mean NDCG@20 there."""

    name: str
    users: int
    gain: Interval


@dataclass(frozen=True, slots=True)
class Duel:
    """NDCG@20 of both on the same users; `gain` is the difference relative to the champion's mean."""

    champion_version: str
    champion_ndcg: float
    ndcg: float
    gain: Interval
    buckets: tuple[Bucket, ...]

    def metrics(self) -> dict[str, float]:
        """All of it as flat figures, for the manifest."""
        return {
            "champion_ndcg_at_20": self.champion_ndcg,
            "gain_over_champion": self.gain.mean,
            "gain_over_champion_low": self.gain.low,
            "gain_over_champion_high": self.gain.high,
            **{f"gain_over_champion_{bucket.name}": bucket.gain.mean for bucket in self.buckets},
        }


def fight(
    version: str, champion: ItemItemRecommender, candidate: ItemItemRecommender, measured: list[Case], *, seed: int
) -> Duel:
    """Both models on the same users, by the serving kernel."""
    theirs = figures(served_lists(champion, measured), measured).ndcg
    ours = figures(served_lists(candidate, measured), measured).ndcg
    lengths = np.array([len(case.items) for case in measured], np.int64)
    return compared(version, theirs, ours, lengths, seed=seed)


def compared(version: str, theirs: Float64s, ours: Float64s, lengths: Sequence[int] | np.ndarray, *, seed: int) -> Duel:
    """The duel of two models' NDCG@20 a user; `lengths` are those of the users' histories."""
    known = np.asarray(lengths, np.int64)
    buckets = []
    for low, high in BUCKETS:
        inside = (known >= low) & ((known <= high) if high is not None else True)
        if inside.any():
            name = f"{low}" if high == low else f"{low}_to_{high}" if high else f"{low}_up"
            buckets.append(Bucket(name, int(inside.sum()), _gain(theirs[inside], ours[inside], seed)))
    return Duel(version, _mean(theirs), _mean(ours), _gain(theirs, ours, seed), tuple(buckets))


def _gain(theirs: Float64s, ours: Float64s, seed: int) -> Interval:
    difference, reference = paired_bootstrap(ours - theirs, seed=seed), _mean(theirs)
    if reference <= 0:  # where the champion finds nothing there is nothing to lose
        return Interval(0.0, 0.0, 0.0) if difference.mean <= 0 else Interval(1.0, 0.0, 1.0)
    return Interval(difference.mean / reference, difference.low / reference, difference.high / reference)


def _mean(values: Float64s) -> float:
    return float(values.mean()) if len(values) else 0.0
