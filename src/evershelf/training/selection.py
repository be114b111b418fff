"""Chooses parameters on the tuning window: starting points, a walk along each axis, then seeded steps from the best.

A candidate is first tried on a quarter of the users, and on all of them only if that looks promising (a race, after
Jamieson and Talwalkar, "Non-stochastic best arm identification", 2016, arXiv:1502.07943, with two rounds). Candidates,
time and chance are bounded; every trial is kept.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from evershelf.models.sparse_rows import Float64s
from evershelf.training.evaluate import Case, figures, popular_lists, served_lists
from evershelf.training.fit import Fitter, Parameters
from evershelf.training.space import Axis, Space, moved, place_on, space_of

POPULARITY_HALF_LIVES_DAYS: tuple[float | None, ...] = (None, 90.0, 30.0, 7.0)
# A gain smaller than this share is noise more often than not.
GAIN_MIN = 0.002
QUALIFYING_USERS_MIN = 200
QUALIFYING_SHARE_MIN = 0.97
FAILURES_MAX = 40


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate: NDCG@20 on the users it was tried on (`qualified`: on all), and the seconds that took."""

    parameters: Parameters
    ndcg_at_20: float
    qualified: bool
    seconds: float = field(compare=False)  # the only thing about it that chance decides


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen, how good it was on the tuning window, and all that was tried."""

    parameters: Parameters
    ndcg_at_20: float
    candidates: int
    complete: bool  # False where the time limit ended the search: then another run may choose differently
    trials: tuple[Trial, ...] = ()


def select_parameters(
    fitter: Fitter,
    measured: list[Case],
    *,
    candidates_max: int,
    deadline_s: float,
    clock: Callable[[], float] = time.monotonic,
    space: Space | None = None,
    seed: int = 7,
) -> Selection:
    """The best parameters by NDCG@20 on `measured`; of equals, the first. At least one starting point is fitted.

    No candidate is begun that would end after the deadline if it took as long as the longest of the last few.
    """
    search = _Search(fitter, measured, candidates_max, deadline_s, clock)
    space = space or space_of(fitter)
    open_ended = search.run(space, np.random.default_rng(seed))
    return Selection(search.best, search.score, len(search.trials), complete=open_ended, trials=tuple(search.trials))


class _Search:
    """The best so far, and the limits."""

    def __init__(
        self,
        fitter: Fitter,
        measured: list[Case],
        candidates_max: int,
        deadline_s: float,
        clock: Callable[[], float],
    ) -> None:
        self.best = Parameters()
        self.score = -1.0
        self.trials: list[Trial] = []
        self._fitter = fitter
        self._measured = measured
        # Every fourth user in order of user: the same for all candidates.
        self._qualifying = measured[::4] if len(measured) >= 4 * QUALIFYING_USERS_MIN else []
        self._best_qualifying = -1.0
        self._candidates_max = candidates_max
        self._deadline_s = deadline_s
        self._clock = clock
        self._tried: set[Parameters] = set()

    def run(self, space: Space, random: np.random.Generator) -> bool:
        """Whether it ended by itself, and not by the deadline."""
        for parameters in space.starts:
            if self.trials and self._is_over():
                return not self._is_late()
            self._try(parameters)
        for axis in space.axes:
            if not self._walk(axis):
                return not self._is_late()
        failures = 0
        while failures < FAILURES_MAX:
            candidate = _neighbour(self.best, space.axes, random)
            if candidate in self._tried:
                failures += 1
                continue
            if self._is_over():
                return not self._is_late()
            failures = 0 if self._try(candidate) else failures + 1
        return True

    def _walk(self, axis: Axis) -> bool:
        """Steps up and down the axis for as long as that improves; False when a limit is reached."""
        for direction in (1, -1):
            for change in _ahead(axis, self.best, direction):
                candidate = moved(self.best, change)
                if candidate in self._tried:
                    break
                if self._is_over():
                    return False
                if not self._try(candidate):
                    break
        return True

    def _try(self, parameters: Parameters) -> bool:
        """Whether the candidate is the best now."""
        self._tried.add(parameters)
        began_s = self._clock()
        recommender = self._fitter.fit(parameters).recommender()

        def merit(part: list[Case]) -> float:
            ndcg = figures(served_lists(recommender, part), part).ndcg
            return float(ndcg.mean()) if len(ndcg) else 0.0

        first = merit(self._qualifying) if self._qualifying else 0.0
        qualified = first >= QUALIFYING_SHARE_MIN * self._best_qualifying
        found = merit(self._measured) if qualified else first
        self.trials.append(Trial(parameters, found, qualified, self._clock() - began_s))
        if not qualified or (self.score >= 0 and found <= self.score * (1 + GAIN_MIN)):
            return False
        self.best, self.score, self._best_qualifying = parameters, found, first
        return True

    def _is_over(self) -> bool:
        return len(self.trials) >= self._candidates_max or self._is_late()

    def _is_late(self) -> bool:
        longest_s = max((trial.seconds for trial in self.trials[-8:]), default=0.0)
        return self._clock() + longest_s >= self._deadline_s


def _ahead(axis: Axis, parameters: Parameters, direction: int) -> Iterator[dict[str, float | bool | None]]:
    place = place_on(axis, parameters)
    if place is None:
        yield from axis[::direction]
        return
    yield from axis[place + 1 :] if direction > 0 else axis[:place][::-1]


def _neighbour(best: Parameters, axes: tuple[Axis, ...], random: np.random.Generator) -> Parameters:
    """One to three axes, a step along each."""
    for axis in random.permutation(len(axes))[: random.integers(1, 4)]:
        place, length = place_on(axes[axis], best) or 0, len(axes[axis])
        step = int(random.choice((-1, 1)))
        best = moved(best, axes[axis][min(max(place + step, 0), length - 1)])
    return best


def select_popularity(fitter: Fitter, measured: list[Case]) -> float | None:
    """The half-life (days; None: no decay) with which the popular list does best: a strong baseline to beat."""

    def merit(half_life_days: float | None) -> float:
        popularity: Float64s = fitter.popularity(half_life_days)
        ndcg = figures(list(popular_lists(popularity, measured)), measured).ndcg
        return float(ndcg.mean()) if len(ndcg) else 0.0

    return max(POPULARITY_HALF_LIVES_DAYS, key=merit)
