"""Measures a model as it would serve: full ranking by the serving kernel, user by user, against popularity."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from evershelf.contracts.inference import HISTORY_MAX
from evershelf.models.interactions import EVENT_TYPES, Interactions
from evershelf.models.ranking_kernels import Queries
from evershelf.models.recommender import ItemItemRecommender
from evershelf.models.sparse_rows import Float64s, Int32s, Int64s
from evershelf.training.metrics import Interval, ndcg_at, paired_bootstrap, recall_at

K = 20
# Below this, intervals over returning users alone are too wide to tell a good model from a bad one.
RETURNING_ENOUGH = 300

_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Case:
    """One user at the cut: what he had done (newest first, at most HISTORY_MAX), and what he did next."""

    items: Int32s
    kinds: Int64s
    ages_days: Float64s
    seen: Int64s
    targets: Int64s


@dataclass(frozen=True, slots=True)
class Figures:
    """Recall@20 and NDCG@20 of each user, and how many distinct items were shown."""

    recall: Float64s
    ndcg: Float64s
    shown: frozenset[int]

    def summary(self, item_count: int) -> dict[str, float]:
        """Means over users; coverage is the share of the catalog that was shown to anybody."""
        return {
            "recall_at_20": float(self.recall.mean()) if len(self.recall) else 0.0,
            "ndcg_at_20": float(self.ndcg.mean()) if len(self.ndcg) else 0.0,
            "coverage_at_20": len(self.shown) / max(item_count, 1),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The model beside popularity on the same users, with the paired interval of the NDCG@20 difference."""

    model: dict[str, float]
    popularity: dict[str, float]
    users: int
    difference: Interval
    distinct_lists_share: float

    def metrics(self) -> dict[str, float]:
        """All of it as flat figures, for the manifest."""
        return {
            **self.model,
            **{f"popularity_{name}": value for name, value in self.popularity.items()},
            "users": float(self.users),
            "ndcg_at_20_gain": self.difference.mean,
            "ndcg_at_20_gain_low": self.difference.low,
            "ndcg_at_20_gain_high": self.difference.high,
            "distinct_lists_share": self.distinct_lists_share,
        }


def cases(
    history: Interactions, future: Interactions, *, now_days: float, new_items: bool = True, limit: int, seed: int = 0
) -> list[Case]:
    """Users with a history and a future, at most `limit` of them drawn by seed, in order of user.

    With `new_items` only items new to the user are targets, and those he had are kept off the lists; without, whatever
    comes next counts and nothing is kept off. Where fewer than RETURNING_ENOUGH users return, newcomers are added, each
    cut in the middle of his own future: the model has not learned from them, but inference would be told of that half.
    """
    before, after = history.starts(), future.starts()
    returning = np.flatnonzero((np.diff(before) > 0) & (np.diff(after) > 0))
    cuts = [(int(user), history, before[user], before[user + 1], after[user], now_days) for user in returning]
    if len(cuts) < RETURNING_ENOUGH:
        for user in np.flatnonzero((np.diff(before) == 0) & (np.diff(after) > 1)):
            days = future.days[after[user] : after[user + 1]]
            # Events of one instant are never torn apart: a cut inside a basket would ask for the rest of it.
            middle = after[user] + np.searchsorted(days, days[len(days) // 2])
            if middle > after[user]:
                cuts.append((int(user), future, after[user], middle, middle, float(future.days[middle])))
    if len(cuts) > limit:
        chosen = np.sort(np.random.default_rng(seed).choice(len(cuts), limit, replace=False))
        cuts = [cuts[place] for place in chosen]
    found = (
        _case(known.slice_of(first, last), future.slice_of(rest, after[user + 1]), at, new_items=new_items)
        for user, known, first, last, rest, at in cuts
    )
    return [case for case in found if len(case.targets)]


def _case(had: Interactions, next_ones: Interactions, at_days: float, *, new_items: bool) -> Case:
    seen = np.unique(had.items).astype(np.int64) if new_items else np.empty(0, np.int64)
    newest_first = slice(None, None, -1)
    return Case(
        had.items[-HISTORY_MAX:][newest_first],
        had.kinds[-HISTORY_MAX:][newest_first].astype(np.int64),
        at_days - had.days[-HISTORY_MAX:][newest_first],
        seen,
        np.setdiff1d(next_ones.items, seen).astype(np.int64),
    )


def compare(recommender: ItemItemRecommender, popularity: Float64s, measured: list[Case], *, seed: int) -> Comparison:
    """The serving kernel against the popular list, on the same users."""
    lists = served_lists(recommender, measured)
    model = figures(lists, measured)
    baseline = figures(list(popular_lists(popularity, measured)), measured)
    return Comparison(
        model.summary(recommender.items),
        baseline.summary(recommender.items),
        len(measured),
        paired_bootstrap(model.ndcg - baseline.ndcg, seed=seed),
        len({shown.tobytes() for shown in lists}) / max(len(lists), 1),
    )


def served_lists(recommender: ItemItemRecommender, measured: list[Case], *, k: int = K) -> list[Int32s]:
    """The lists that inference would answer, many at a time."""
    by_code = recommender.event_weights(EVENT_TYPES)
    queries = Queries(
        _bounds([case.items for case in measured]),
        (
            _joined([case.items for case in measured], np.int64),
            by_code[_joined([case.kinds for case in measured], np.int64)],
            _joined([case.ages_days for case in measured], np.float64),
        ),
        _bounds([case.seen for case in measured]),
        _joined([case.seen for case in measured], np.int64),
    )
    return [row[row >= 0] for row in recommender.rank_all(queries, k=k)]


def _bounds(parts: Sequence[npt.NDArray[np.generic]]) -> Int64s:
    return np.concatenate(([0], np.cumsum([len(part) for part in parts]))).astype(np.int64)


def _joined(parts: Sequence[npt.NDArray[np.generic]], dtype: type[_Number]) -> npt.NDArray[_Number]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)


def popular_lists(popularity: Float64s, measured: list[Case], *, k: int = K) -> Iterator[Int64s]:
    """The most popular items that each user has not had."""
    order = np.lexsort((np.arange(len(popularity)), -popularity))
    for case in measured:
        head = order[: k + len(case.seen)]
        yield head[~np.isin(head, case.seen)][:k]


def figures(lists: list[Int32s] | list[Int64s], measured: list[Case], *, k: int = K) -> Figures:
    """Each user's figures from his list."""
    hits = [np.isin(lists[place], case.targets) for place, case in enumerate(measured)]
    counts = [len(case.targets) for case in measured]
    return Figures(
        np.array([recall_at(hit, count) for hit, count in zip(hits, counts, strict=True)], np.float64),
        np.array([ndcg_at(hit, count, k=k) for hit, count in zip(hits, counts, strict=True)], np.float64),
        frozenset(np.unique(np.concatenate(lists)).tolist()) if lists else frozenset(),
    )
