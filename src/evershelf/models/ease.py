"""EASE: the item-item matrix that reconstructs all histories best, in closed form.

Source: H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019), arXiv:1905.03375, equation 8:
P = (X'X + Lambda)^-1, B[i, j] = -P[i, j] / P[j, j], B[j, j] = 0. Two changes: Lambda grows with an item's popularity
(`regularisation_power`), which keeps frequent items from crowding out rare ones; and users weigh degree**-user_damping,
so that a few very long histories do not dominate.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from evershelf.models.interactions import Interactions, decay
from evershelf.models.pruning import WEIGHTS_PER_ROW, strongest, strongest_of_dense
from evershelf.models.sparse_rows import Float32s, Float64s, SparseRows

# Two dense float32 matrices of this side are 0.2 GB; beyond it local EASE is as good and quicker.
ITEMS_MAX = 5_000
_BLOCK_ROWS = 512


@dataclass(frozen=True, slots=True)
class EaseConfig:
    """How to fit: `regularisation` is in events; `half_life_days` lets old interactions count less.

    `dropout` (0..1) adds popularity * dropout / (1 - dropout) to the ridge, as in local EASE.
    """

    regularisation: float = 100.0
    regularisation_power: float = 0.0
    user_damping: float = 0.3
    dropout: float = 0.0
    half_life_days: float | None = None
    weights_per_row: int = WEIGHTS_PER_ROW


def fit_ease(interactions: Interactions, config: EaseConfig, *, now_days: float, kind_weights: Float64s) -> SparseRows:
    """The matrix, pruned to its strongest weights a row. `kind_weights` float64[kinds] in 0..1: what an event counts.

    Raises:
        ValueError: there are more than ITEMS_MAX items.
    """
    if interactions.item_count > ITEMS_MAX:
        raise ValueError(f"EASE is fitted up to {ITEMS_MAX} items, not {interactions.item_count}")
    seen = np.flatnonzero(np.bincount(interactions.items, minlength=interactions.item_count))
    if not len(seen):
        return SparseRows(
            np.zeros(interactions.item_count + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
        )
    worth = decay(now_days - interactions.days, config.half_life_days) * kind_weights[interactions.kinds]
    precision = _precision(_gram(interactions, config, worth)[np.ix_(seen, seen)], config)
    diagonal = np.diagonal(precision).copy()
    parts = []
    for first in range(0, len(seen), _BLOCK_ROWS):
        block = np.asarray(-precision[first : first + _BLOCK_ROWS] / diagonal, np.float64)
        parts.append(strongest_of_dense(block, first, config.weights_per_row))
    owners, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    return strongest(seen[owners], seen[columns], values, items=interactions.item_count, per_row=config.weights_per_row)


def _gram(interactions: Interactions, config: EaseConfig, worth: Float64s) -> Float32s:
    # The square root, because the Gram matrix multiplies two of them.
    matrix = interactions.user_items(np.sqrt(worth))
    degrees = np.maximum(np.diff(matrix.indptr), 1)
    weighted = sparse.diags_array(degrees.astype(np.float64) ** (-config.user_damping / 2)) @ matrix
    return np.asarray((weighted.T @ weighted).toarray(), np.float32)


def _precision(gram: Float32s, config: EaseConfig) -> Float32s:
    popularity = np.diagonal(gram).astype(np.float64)
    scale = (popularity / popularity.mean()) ** config.regularisation_power
    ridge = config.regularisation * scale + popularity * (config.dropout / (1.0 - config.dropout))
    gram[np.diag_indices(len(gram))] += ridge.astype(np.float32)
    factor = linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(linalg.cho_solve(factor, np.eye(len(gram), dtype=np.float32), overwrite_b=True), np.float32)
