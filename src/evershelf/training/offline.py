"""Measures the recipe on files, without a database: full ranking, what the user had is masked, figures as published.

Recall@k is the share of a user's test items found among k; NDCG@k compares with the best list of min(k, test items);
both are means over users with test items. Items that a user had in train are neither recommended nor asked for.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evershelf.models.interactions import SECONDS_PER_DAY, Interactions
from evershelf.models.sparse_rows import Float64s, Int32s
from evershelf.training.evaluate import Case, popular_lists, served_lists
from evershelf.training.files import FileRefusedError, Tables
from evershelf.training.fit import Fitter, Parameters
from evershelf.training.metrics import ndcg_at, recall_at, reciprocal_rank
from evershelf.training.selection import Selection, Steps, mean_events, select_parameters

K_MAX = 20
TUNE_USERS_MAX = 4_000
CANDIDATES_MAX = 24
LEAVE_ONE_OUT = "leave-one-out"
_LAST_PERCENT = re.compile(r"last-(\d{1,2})-percent")
_HELD_OUT_SHARE = 0.1
# The final fit and the ranking of the test users need their time too.
_SHARE_OF_TIME_FOR_CHOOSING = 0.6

_RIDGE: Steps = (
    ({"dropout": 0.6}, {"dropout": 0.0}),
    ({"regularisation": 3.0}, {"regularisation": 100.0}),
    ({"user_damping": 0.0},),
)
_SEQUENCE: Steps = (
    ({"neighbours_weight": 0.0}, {"neighbours_weight": 1.0}, {"co_visitation_weight": 0.0, "neighbours_weight": 1.0}),
    (
        {"history_half_life_events": 4.0},
        {"history_half_life_events": 16.0},
        {"history_half_life_events": 60.0},
        {"history_half_life_events": None},
    ),
    (
        {"co_visitation_half_life_events": 1.0},
        {"co_visitation_half_life_events": 4.0},
        {"co_visitation_half_life_events": 8.0},
    ),
    ({"neighbours_weight": 0.1}, {"neighbours_weight": 0.4}),
    ({"regularisation": 100.0}, {"regularisation": 500.0}),
)


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is asked of whom: interactions known, interactions to be found, and whether their order means anything."""

    known: Interactions
    wanted: Interactions
    ordered: bool
    dated: bool


@dataclass(frozen=True, slots=True)
class OfflineFigures:
    """The figures by their published names, and the recipe they belong to."""

    figures: dict[str, float]
    selection: Selection


def given_split(tables: Tables) -> Protocol:
    """Train and test as the files have them. Without times the order of rows means nothing."""
    return Protocol(tables.train, tables.test, ordered=tables.dated, dated=tables.dated)


def split_by_rule(tables: Tables, rule: str) -> Protocol:
    """One file, split by `leave-one-out` (each user's last) or `last-N-percent` (of time). Without times rows order.

    Raises:
        FileRefusedError: there is no such rule.
    """
    share = _LAST_PERCENT.fullmatch(rule)
    if share and int(share[1]):
        wanted = _newest(tables.train, int(share[1]) / 100)
    elif rule == LEAVE_ONE_OUT:
        wanted = _last_of_each(tables.train)
    else:
        raise FileRefusedError(f"no split rule {rule!r}: there are {LEAVE_ONE_OUT} and last-N-percent (N from 1 to 99)")
    return Protocol(tables.train.where(~wanted), tables.train.where(wanted), ordered=True, dated=tables.dated)


def evaluate_offline(
    protocol: Protocol, *, time_limit_s: float, seed: int = 7, recipe: Parameters | None = None
) -> OfflineFigures:
    """Chooses a recipe on a held-out part of what is known, fits it on all of that, and ranks for every test user.

    Raises:
        FileRefusedError: no user has test items that are new to him.
    """
    began_s = time.monotonic()
    deadline_s = began_s + time_limit_s * _SHARE_OF_TIME_FOR_CHOOSING
    measured = _cases(protocol)
    if not measured:
        raise FileRefusedError("no user has test items that he did not have in train")
    if recipe is None:
        selection = _choose(protocol, deadline_s=deadline_s, seed=seed)
    else:
        selection = Selection(recipe, 0.0, 0, complete=True)
    fitter = Fitter(protocol.known, now_days=_end_days(protocol))
    lists = _lists(fitter, selection.parameters, measured)
    found = {**_figures(lists, measured, protocol.known.item_count), "seconds": time.monotonic() - began_s}
    return OfflineFigures(found, selection)


def _choose(protocol: Protocol, *, deadline_s: float, seed: int) -> Selection:
    held_out = _held_out(protocol, seed=seed)
    inner = replace(protocol, known=protocol.known.where(~held_out), wanted=protocol.known.where(held_out))
    fitter = Fitter(inner.known, now_days=_end_days(inner))
    measured = _cases(inner)
    if len(measured) > TUNE_USERS_MAX:
        chosen = np.sort(np.random.default_rng(seed).choice(len(measured), TUNE_USERS_MAX, replace=False))
        measured = [measured[place] for place in chosen]
    start, steps = _search(protocol)
    if steps is None:
        return select_parameters(fitter, measured, candidates_max=CANDIDATES_MAX, deadline_s=deadline_s)
    return select_parameters(
        fitter, measured, candidates_max=CANDIDATES_MAX, deadline_s=deadline_s, start=start, steps=steps
    )


def _search(protocol: Protocol) -> tuple[Parameters, Steps | None]:
    """Where to begin and what to try: nothing that needs times, or order, where there is none."""
    if protocol.dated:
        return Parameters(), None
    timeless = Parameters(
        regularisation=mean_events(protocol.known), training_half_life_days=None, trend=0.0, history_half_life_days=None
    )
    if not protocol.ordered:
        return replace(timeless, dropout=0.4, user_damping=0.5), _RIDGE
    start = replace(
        timeless,
        neighbours_weight=0.2,
        co_visitation_weight=1.0,
        history_half_life_events=8.0,
        co_visitation_half_life_events=2.0,
    )
    return start, _SEQUENCE


def _held_out(protocol: Protocol, *, seed: int) -> npt.NDArray[np.bool_]:
    """The part of what is known that plays the test: made as the test seems to have been made."""
    known = protocol.known
    if not protocol.ordered:
        return np.random.default_rng(seed).random(len(known)) < _HELD_OUT_SHARE
    if len(protocol.wanted) == len(np.unique(protocol.wanted.users)):
        return _last_of_each(known)
    return _newest(known, _HELD_OUT_SHARE)


def _last_of_each(interactions: Interactions) -> npt.NDArray[np.bool_]:
    """True at the newest interaction of each user who has more than one."""
    mask = np.zeros(len(interactions), np.bool_)
    starts = interactions.starts()
    mask[starts[1:][np.diff(starts) > 1] - 1] = True
    return mask


def _newest(interactions: Interactions, share: float) -> npt.NDArray[np.bool_]:
    """True in the newest share; what happened at one instant stays together."""
    mask: npt.NDArray[np.bool_] = interactions.days >= np.quantile(interactions.days, 1 - share, method="higher")
    return mask


def _end_days(protocol: Protocol) -> float:
    return float(protocol.known.days.max(initial=0.0)) + 1 / SECONDS_PER_DAY


def _cases(protocol: Protocol) -> list[Case]:
    """Users with test items that are new to them, with their whole history, newest first."""
    known, wanted, end_days = protocol.known, protocol.wanted, _end_days(protocol)
    before, after = known.starts(), wanted.starts()
    found = []
    for user in np.flatnonzero(np.diff(after) > 0):
        had = slice(before[user], before[user + 1])
        seen = np.unique(known.items[had]).astype(np.int64)
        targets = np.setdiff1d(wanted.items[after[user] : after[user + 1]], seen).astype(np.int64)
        if len(targets):
            kinds, ages_days = known.kinds[had][::-1].astype(np.int64), end_days - known.days[had][::-1]
            found.append(Case(known.items[had][::-1], kinds, ages_days, seen, targets))
    return found


def _lists(fitter: Fitter, parameters: Parameters, measured: list[Case]) -> list[Int32s]:
    """The model's lists, filled from the popular ones where they are short: the shelf is never empty."""
    fitted = fitter.fit(parameters)
    popular = popular_lists(fitter.popularity(None), measured, k=2 * K_MAX)
    lists: list[Int32s] = served_lists(fitted.recommender(), measured, k=K_MAX)
    return [
        own if len(own) == K_MAX else np.concatenate((own, fill[~np.isin(fill, own)]))[:K_MAX].astype(np.int32)
        for own, fill in zip(lists, popular, strict=True)
    ]


def _figures(lists: list[Int32s], measured: list[Case], items: int) -> dict[str, float]:
    hits = [np.isin(shown, case.targets) for shown, case in zip(lists, measured, strict=True)]
    counts = [len(case.targets) for case in measured]

    def mean(figure: Callable[[npt.NDArray[np.bool_], int], float]) -> float:
        values: Float64s = np.array([figure(hit, count) for hit, count in zip(hits, counts, strict=True)], np.float64)
        return float(values.mean())

    return {
        "recall@20": mean(recall_at),
        "ndcg@20": mean(lambda hit, count: ndcg_at(hit, count, k=20)),
        "recall@10": mean(lambda hit, count: recall_at(hit[:10], count)),
        "ndcg@10": mean(lambda hit, count: ndcg_at(hit[:10], count, k=10)),
        "hit_rate@10": mean(lambda hit, _: float(hit[:10].any())),
        "mrr": mean(lambda hit, _: reciprocal_rank(hit)),
        "coverage": len(np.unique(np.concatenate(lists))) / items,
        "users": len(measured),
        "items": items,
    }
