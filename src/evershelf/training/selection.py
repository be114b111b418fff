"""Chooses parameters on the tuning window: a short walk along one parameter at a time, within a time limit."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from evershelf.models.interactions import Interactions
from evershelf.models.sparse_rows import Float64s
from evershelf.training.evaluate import Case, figures, popular_lists, served_lists
from evershelf.training.fit import Fitter, Parameters

LOCAL_REGULARISATION_RANGE = (10.0, 500.0)
POPULARITY_HALF_LIVES_DAYS: tuple[float | None, ...] = (None, 90.0, 30.0, 7.0)

# In order of what mattered most where it was measured. Each row is tried around the best found so far.
Steps = tuple[tuple[dict[str, object], ...], ...]
_STEPS: Steps = (
    (
        {"co_visitation_weight": 0.3},
        {"neighbours_weight": 0.2, "co_visitation_weight": 1.0},
        {"neighbours_weight": 0.0, "co_visitation_weight": 1.0},
    ),
    ({"training_half_life_days": 30.0}, {"training_half_life_days": None}),
    ({"trend": 1.0}, {"trend": 0.0}),
    (
        {"history_half_life_days": None, "history_half_life_events": 2.0},
        {"history_half_life_days": None, "history_half_life_events": 8.0},
        {"history_half_life_days": None, "history_half_life_events": 30.0},
        {"history_half_life_days": 20.0, "history_half_life_events": None},
        {"history_half_life_days": None, "history_half_life_events": None},
    ),
    ({"regularisation": 300.0}, {"regularisation": 30.0}),
    ({"dropout": 0.3},),
    ({"graded_events": False},),
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen, how good it was on the tuning window, and how many candidates that took."""

    parameters: Parameters
    ndcg_at_20: float
    candidates: int
    complete: bool  # False where the time limit ended the walk: then another run may choose differently


def select_parameters(
    fitter: Fitter,
    measured: list[Case],
    *,
    candidates_max: int,
    deadline_s: float,
    clock: Callable[[], float] = time.monotonic,
    start: Parameters | None = None,
    steps: Steps = _STEPS,
) -> Selection:
    """The best parameters by NDCG@20 on `measured`; of equals, the first. At least the starting point is fitted.

    No candidate is begun that would end after the deadline if it took as long as the longest so far.
    """
    best = start or Parameters(regularisation=regularisation_of(fitter))
    began_s = clock()
    best_score = score(fitter, best, measured)
    longest_s = clock() - began_s
    tried = {best}
    for step in steps:
        around = best
        for candidate in _distinct(around, step):
            if candidate in tried:
                continue
            began_s = clock()
            if len(tried) >= candidates_max or began_s + longest_s >= deadline_s:
                return Selection(best, best_score, len(tried), complete=False)
            tried.add(candidate)
            found = score(fitter, candidate, measured)
            longest_s = max(longest_s, clock() - began_s)
            if found > best_score:
                best, best_score = candidate, found
    return Selection(best, best_score, len(tried), complete=True)


def regularisation_of(fitter: Fitter) -> float:
    """Where the search for the ridge begins, in events: for local EASE the mean events of an item, within bounds."""
    if fitter.neighbours_algorithm == "ease":
        return Parameters().regularisation
    return mean_events(fitter.interactions)


def mean_events(interactions: Interactions) -> float:
    """The mean events of an item, within LOCAL_REGULARISATION_RANGE."""
    mean = len(interactions) / max(interactions.item_count, 1)
    return float(min(max(mean, LOCAL_REGULARISATION_RANGE[0]), LOCAL_REGULARISATION_RANGE[1]))


def score(fitter: Fitter, parameters: Parameters, measured: list[Case]) -> float:
    """The mean NDCG@20 of one candidate."""
    fitted = fitter.fit(parameters)
    ndcg = figures(served_lists(fitted.recommender(), measured), measured).ndcg
    return float(ndcg.mean()) if len(ndcg) else 0.0


def select_popularity(fitter: Fitter, measured: list[Case]) -> float | None:
    """The half-life (days; None: no decay) with which the popular list does best: a strong baseline to beat."""

    def merit(half_life_days: float | None) -> float:
        popularity: Float64s = fitter.popularity(half_life_days)
        ndcg = figures(list(popular_lists(popularity, measured)), measured).ndcg
        return float(ndcg.mean()) if len(ndcg) else 0.0

    return max(POPULARITY_HALF_LIVES_DAYS, key=merit)


def _distinct(around: Parameters, step: tuple[dict[str, object], ...]) -> Iterator[Parameters]:
    for change in step:
        yield replace(around, **change)  # type: ignore[arg-type]  # the table above names fields with values of their types
