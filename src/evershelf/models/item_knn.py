"""Item neighbours by cosine: what serves instead of EASE where the catalog is too large for a dense inverse."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from evershelf.models.interactions import Interactions, decay
from evershelf.models.pruning import WEIGHTS_PER_ROW, strongest_of
from evershelf.models.sparse_rows import Float64s, SparseRows

_ROWS_PER_PORTION = 2_000
# A history longer than this belongs to a robot or a warehouse; only its newest part is paired.
HISTORY_MAX = 500


@dataclass(frozen=True, slots=True)
class ItemKnnConfig:
    """How to compare: `shrinkage` (users) pulls neighbours with thin support down; long histories count less."""

    shrinkage: float = 10.0
    user_damping: float = 0.5
    half_life_days: float | None = None
    weights_per_row: int = WEIGHTS_PER_ROW


def fit_item_knn(
    interactions: Interactions, config: ItemKnnConfig, *, now_days: float, kind_weights: Float64s
) -> SparseRows:
    """The matrix of shrunk cosines, pruned to its strongest weights a row; memory follows one portion of rows."""
    newest_first = interactions.starts()[interactions.users + 1] - np.arange(len(interactions))
    recent = interactions.where(newest_first <= HISTORY_MAX)
    matrix = recent.user_items(
        np.sqrt(decay(now_days - recent.days, config.half_life_days) * kind_weights[recent.kinds])
    )
    degrees = np.maximum(np.diff(matrix.indptr), 1).astype(np.float64)
    weighted = sparse.csr_array(sparse.diags_array(degrees ** (-config.user_damping / 2)) @ matrix)
    norms = np.sqrt(weighted.multiply(weighted).sum(axis=0))
    by_item = sparse.csr_array(weighted.T)
    portions = []
    for first in range(0, interactions.item_count, _ROWS_PER_PORTION):
        block = sparse.coo_array(by_item[first : first + _ROWS_PER_PORTION] @ weighted)
        owners, columns = block.coords[0] + first, block.coords[1]
        values = block.data / (norms[owners] * norms[columns] + config.shrinkage)
        shifted = sparse.csr_array((values, (owners - first, columns)), shape=block.shape)
        portions.append(strongest_of(shifted, config.weights_per_row, first_row=first))
    lengths = np.concatenate([portion.lengths() for portion in portions])
    return SparseRows(
        np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        np.concatenate([portion.indices for portion in portions]),
        np.concatenate([portion.weights for portion in portions]),
    )
