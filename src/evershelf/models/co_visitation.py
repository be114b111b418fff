"""Co-visitation: which items follow an item soon, in the same history; directed, and quick at any catalog size."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from evershelf.models.interactions import Interactions, decay
from evershelf.models.pruning import WEIGHTS_PER_ROW, strongest_of
from evershelf.models.sparse_rows import Float64s, SparseRows

# Pairs are added up in portions of this many interactions, so that memory follows the result and not the pairs.
_PORTION = 1_000_000


@dataclass(frozen=True, slots=True)
class CoVisitationConfig:
    """How to count: pairs at most `window` steps apart count `step_decay`**distance, backward pairs `backward` of it.

    A sum is divided by (popularity + shrinkage)**alpha of the target and **source_alpha of the source.
    """

    window: int = 10
    step_decay: float = 0.8
    backward: float = 0.3
    alpha: float = 0.5
    source_alpha: float = 0.5
    shrinkage: float = 5.0
    half_life_days: float | None = None
    weights_per_row: int = WEIGHTS_PER_ROW


def fit_co_visitation(
    interactions: Interactions, config: CoVisitationConfig, *, now_days: float, kind_weights: Float64s
) -> SparseRows:
    """The matrix, pruned to its strongest weights a row. `kind_weights` float64[kinds]: what an arrival counts."""
    steps = interactions.where(_moves(interactions))
    size = (steps.item_count, steps.item_count)
    total: sparse.csr_array[np.float64, tuple[int, int]] = sparse.csr_array(size, dtype=np.float64)
    worth = decay(now_days - steps.days, config.half_life_days) * kind_weights[steps.kinds]
    for first in range(0, len(steps), _PORTION):
        last = min(first + _PORTION, len(steps))
        total = total + _pairs(steps, worth, config, first=first, last=last)
    popularity = np.bincount(steps.items, minlength=steps.item_count) + config.shrinkage
    normalised = (
        sparse.diags_array(popularity**-config.source_alpha) @ total @ sparse.diags_array(popularity**-config.alpha)
    )
    return strongest_of(sparse.csr_array(normalised), config.weights_per_row)


def _moves(interactions: Interactions) -> npt.NDArray[np.bool_]:
    """True where the user came to an item from another one: looking twice in a row is one step."""
    stays = (interactions.items[1:] == interactions.items[:-1]) & (interactions.users[1:] == interactions.users[:-1])
    return np.concatenate((np.ones(min(1, len(interactions)), np.bool_), ~stays))


def _pairs(
    steps: Interactions, worth: Float64s, config: CoVisitationConfig, *, first: int, last: int
) -> sparse.csr_array[np.float64, tuple[int, int]]:
    """Pairs whose earlier step lies in first..last."""
    size = (steps.item_count, steps.item_count)
    total: sparse.csr_array[np.float64, tuple[int, int]] = sparse.csr_array(size, dtype=np.float64)
    for distance in range(1, config.window + 1):
        early = np.arange(first, min(last, len(steps) - distance))
        early = early[steps.users[early] == steps.users[early + distance]]
        late = early + distance
        weight = config.step_decay**distance
        forward = sparse.coo_array((worth[late] * weight, (steps.items[early], steps.items[late])), shape=size)
        total = total + forward.tocsr()
        if config.backward:
            values = worth[early] * (weight * config.backward)
            total = total + sparse.coo_array((values, (steps.items[late], steps.items[early])), shape=size).tocsr()
    return total
