"""The space of parameters that training searches: where it begins, and along which axes it may step."""

from dataclasses import dataclass, replace
from math import log

import numpy as np

from evershelf.models.interactions import Interactions
from evershelf.training.fit import Fitter, Parameters

# Values of one or two parameters that are tried together, in an order along which quality rises and falls once.
Axis = tuple[dict[str, float | bool | None], ...]

REGULARISATIONS = (3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0)


def _axis(name: str, *values: float | bool | None) -> Axis:
    return tuple({name: value} for value in values)


# A cheap axis changes only how a model serves; the others fit a matrix anew. In order of what mattered most.
BLEND: Axis = (
    {"neighbours_weight": 1.0, "co_visitation_weight": 0.0},
    {"neighbours_weight": 1.0, "co_visitation_weight": 0.3},
    {"neighbours_weight": 1.0, "co_visitation_weight": 1.0},
    {"neighbours_weight": 0.3, "co_visitation_weight": 1.0},
    {"neighbours_weight": 0.1, "co_visitation_weight": 1.0},
    {"neighbours_weight": 0.03, "co_visitation_weight": 1.0},
    {"neighbours_weight": 0.0, "co_visitation_weight": 1.0},
)
HISTORY_EVENTS = _axis("history_half_life_events", 2.0, 4.0, 8.0, 16.0, 40.0, None)
HISTORY_DAYS = _axis("history_half_life_days", 2.0, 7.0, 20.0, 60.0, 180.0, None)
FOLLOWED_EVENTS = _axis("co_visitation_half_life_events", 1.0, 2.0, 4.0, 8.0, None)
TREND = _axis("trend", 0.0, 0.5, 1.0)
PRIOR = _axis("prior_weight", 0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
# Never 0: no window shows what a new item gains, and where there is evidence it outweighs this by far.
CONTENT = _axis("content_weight", 0.03, 0.1, 0.3, 1.0)
CONTENT_START = 0.1
LEARNING_DAYS = _axis("training_half_life_days", 7.0, 30.0, 90.0, None)
FOLLOWED_REACH: Axis = (
    {"co_visitation_window": 3, "co_visitation_step_decay": 0.5},
    {"co_visitation_window": 10, "co_visitation_step_decay": 0.8},
    {"co_visitation_window": 20, "co_visitation_step_decay": 0.9},
    {"co_visitation_window": 50, "co_visitation_step_decay": 0.96},
)
FOLLOWED_SOURCE = _axis("co_visitation_source_alpha", 0.5, 0.8, 1.0)
FOLLOWED_TARGET = _axis("co_visitation_alpha", 0.1, 0.3, 0.5)
FOLLOWED_BACKWARD = _axis("co_visitation_backward", 0.0, 0.1, 0.3, 1.0)
RIDGE = _axis("regularisation", *REGULARISATIONS)
DROPOUT = _axis("dropout", 0.0, 0.2, 0.4, 0.6)
DAMPING = _axis("user_damping", 0.0, 0.3, 0.5)
SOURCE_DAMPING = _axis("source_damping", 0.0, 0.1, 0.2, 0.3)
GRADES = _axis("graded_events", True, False)  # noqa: FBT003 - the values of the axis


@dataclass(frozen=True, slots=True)
class Space:
    """Starting points that are all tried, and the axes along which the best of them is improved."""

    starts: tuple[Parameters, ...]
    axes: tuple[Axis, ...]


def space_of(fitter: Fitter, *, ordered: bool = True, dated: bool = True) -> Space:
    """What can be chosen for such data: nothing that needs times, order, kinds or descriptions where there are none."""
    ridge = starting_ridge(fitter)
    prior = (PRIOR,)
    content = (CONTENT,) if fitter.has_content else ()
    content_weight = CONTENT_START if fitter.has_content else 0.0
    grades = (GRADES,) if len(np.unique(fitter.interactions.kinds)) > 1 else ()
    if not ordered:
        timeless = Parameters(
            regularisation=ridge,
            dropout=0.4,
            user_damping=0.5,
            source_damping=0.1,
            training_half_life_days=None,
            trend=0.0,
            history_half_life_days=None,
            content_weight=content_weight,
        )
        return Space((timeless,), (SOURCE_DAMPING, DROPOUT, RIDGE, DAMPING, *content, *prior, *grades))
    browse = Parameters(
        regularisation=ridge,
        neighbours_weight=0.1,
        co_visitation_weight=1.0,
        training_half_life_days=None,
        trend=0.0,
        history_half_life_days=None,
        history_half_life_events=8.0,
        co_visitation_half_life_events=2.0,
        content_weight=content_weight,
    )
    followed = (FOLLOWED_BACKWARD, FOLLOWED_SOURCE, FOLLOWED_TARGET, FOLLOWED_REACH)
    if not dated:
        axes = (
            BLEND, HISTORY_EVENTS, FOLLOWED_EVENTS, *content, *followed, RIDGE, SOURCE_DAMPING, *prior, DROPOUT,
            DAMPING, *grades,
        )  # fmt: skip
        return Space((browse, replace(browse, neighbours_weight=1.0, co_visitation_weight=0.0)), axes)
    purchase = Parameters(regularisation=ridge, content_weight=content_weight)
    axes = (
        BLEND, LEARNING_DAYS, TREND, HISTORY_DAYS, HISTORY_EVENTS, *prior, *content, FOLLOWED_EVENTS, RIDGE,
        SOURCE_DAMPING, *followed, DROPOUT, *grades, DAMPING,
    )  # fmt: skip
    return Space((purchase, browse, replace(browse, training_half_life_days=30.0, trend=0.5)), axes)


def starting_ridge(fitter: Fitter) -> float:
    """The ridge to begin with, in events: for local EASE the mean events of an item, else 100."""
    wanted = Parameters().regularisation if fitter.neighbours_algorithm == "ease" else mean_events(fitter.interactions)
    return min(REGULARISATIONS, key=lambda value: abs(log(value / wanted)))


def mean_events(interactions: Interactions) -> float:
    """The mean events of an item, at least 1."""
    return max(len(interactions) / max(interactions.item_count, 1), 1.0)


def place_on(axis: Axis, parameters: Parameters) -> int | None:
    """Where on the axis the parameters stand; None where they do not."""
    for place, change in enumerate(axis):
        if all(getattr(parameters, name) == value for name, value in change.items()):
            return place
    return None


def moved(parameters: Parameters, change: dict[str, float | bool | None]) -> Parameters:
    """The parameters with that change."""
    return replace(parameters, **change)  # type: ignore[arg-type]  # the tables above name fields with values of their types
