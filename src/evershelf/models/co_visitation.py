"""Co-visitation: which items follow an item soon, in the same history; directed, and quick at any catalog size."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from evershelf.models.co_visitation_kernels import follow
from evershelf.models.compiled import on_all_cores
from evershelf.models.interactions import Interactions, decay
from evershelf.models.pruning import WEIGHTS_PER_ROW
from evershelf.models.sparse_rows import Float64s, SparseRows


@dataclass(frozen=True, slots=True)
class CoVisitationConfig:
    """How to count: pairs at most `window` steps apart count `step_decay`**distance, backward pairs `backward` of it.

    A sum is divided by (popularity + shrinkage)**alpha of the target and **source_alpha of the source.
    """

    window: int = 10
    step_decay: float = 0.8
    backward: float = 0.1
    alpha: float = 0.3
    source_alpha: float = 0.8
    shrinkage: float = 5.0
    half_life_days: float | None = None
    weights_per_row: int = WEIGHTS_PER_ROW


def fit_co_visitation(
    interactions: Interactions, config: CoVisitationConfig, *, now_days: float, kind_weights: Float64s
) -> SparseRows:
    """The matrix, pruned to its strongest weights a row. `kind_weights` float64[kinds]: what an arrival counts.

    Time and memory are linear in the interactions. The first call in a process compiles, or reads its cache.
    """
    steps = interactions.where(_moves(interactions))
    items = steps.item_count
    counts = np.bincount(steps.items, minlength=items)
    popularity = np.asarray(counts + config.shrinkage, np.float64)
    of_source, of_target = (np.power(popularity, -power) for power in (config.source_alpha, config.alpha))
    by_distance = float(config.step_decay) ** np.arange(config.window + 1, dtype=np.float64)
    width = min(config.weights_per_row, max(items - 1, 1))
    found, weights = np.zeros((items, width), np.int32), np.zeros((items, width), np.float32)
    worth = decay(now_days - steps.days, config.half_life_days) * kind_weights[steps.kinds]
    work = partial(
        follow,
        counted=(
            (steps.users, steps.items, worth),
            (np.concatenate(([0], np.cumsum(counts))), np.argsort(steps.items, kind="stable")),
        ),
        factors=(by_distance, float(config.backward), (of_source, of_target)),
        out=(found, weights),
    )
    on_all_cores(work, items)
    filled = weights > 0
    return SparseRows(
        np.concatenate(([0], np.cumsum(filled.sum(axis=1)))).astype(np.int64), found[filled], weights[filled]
    )


def _moves(interactions: Interactions) -> npt.NDArray[np.bool_]:
    """True where the user came to an item from another one: looking twice in a row is one step."""
    stays = (interactions.items[1:] == interactions.items[:-1]) & (interactions.users[1:] == interactions.users[:-1])
    return np.concatenate((np.ones(min(1, len(interactions)), np.bool_), ~stays))
