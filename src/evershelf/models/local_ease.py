"""Local EASE: for each item a small ridge regression on its nearest items only; no dense matrix of the catalog.

Source: H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019), arXiv:1905.03375: column j of the dense
solution solves (G + lambda I) w = g_j over all other items. Here it is solved over the `neighbours` items that occur
with j most, by co-occurrence / sqrt(popularity); with all items as neighbours both are the same. Each item is a problem
of its own, so portions of items are solved on all cores: the compiled functions below release the interpreter lock.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from evershelf.models.compiled import on_all_cores
from evershelf.models.interactions import Interactions, decay
from evershelf.models.local_ease_kernels import count, fill, solve
from evershelf.models.pruning import WEIGHTS_PER_ROW, strongest_of
from evershelf.models.sparse_rows import Float32s, Float64s, Int32s, Int64s, SparseRows

# Co-occurrences kept at most (8 bytes each); beyond it every item keeps only its strongest.
CELLS_MAX = 100_000_000
# A history longer than this belongs to a robot or a warehouse; only its newest part is paired.
HISTORY_MAX = 1_000


@dataclass(frozen=True, slots=True)
class LocalEaseConfig:
    """How to fit: `neighbours` is the size of each problem; `regularisation` is in events.

    `dropout` (0..1) adds popularity * dropout / (1 - dropout) to the ridge: as if so much of each history were missing
    (H. Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020).
    """

    regularisation: float = 20.0
    neighbours: int = 100
    user_damping: float = 0.3
    dropout: float = 0.0
    half_life_days: float | None = None
    weights_per_row: int = WEIGHTS_PER_ROW


@dataclass(frozen=True, slots=True)
class _Gram:
    """Co-occurrences in compressed rows, columns ascending, the diagonal apart."""

    starts: Int64s
    columns: Int32s
    values: Float32s
    diagonal: Float64s


def fit_local_ease(
    interactions: Interactions, config: LocalEaseConfig, *, now_days: float, kind_weights: Float64s
) -> SparseRows:
    """The matrix, pruned to its strongest weights a row. `kind_weights` float64[kinds] in 0..1: what an event counts.

    The first call in a process compiles for some seconds.
    """
    items = interactions.item_count
    gram = _gram(_weighted(interactions, config, now_days=now_days, kind_weights=kind_weights), config)
    ridge = config.regularisation + gram.diagonal * (config.dropout / (1.0 - config.dropout))
    width = min(config.neighbours, max(items - 1, 1))
    # Column by column: who helps to predict an item, and how much.
    owners, weights = np.zeros((items, width), np.int32), np.zeros((items, width), np.float32)
    matrix = (gram.starts, gram.columns, gram.values, gram.diagonal)
    on_all_cores(partial(solve, matrix=matrix, ridge=ridge, out=(owners, weights)), items)
    del gram, matrix  # the largest there is: what follows takes its place
    columns = np.repeat(np.arange(items, dtype=np.int32), width)
    positive = weights.ravel() > 0
    found = sparse.csr_array(
        (weights.ravel()[positive].astype(np.float64), (owners.ravel()[positive], columns[positive])),
        shape=(items, items),
    )
    return strongest_of(found, config.weights_per_row)


def _weighted(
    interactions: Interactions, config: LocalEaseConfig, *, now_days: float, kind_weights: Float64s
) -> sparse.csr_array[np.float64, tuple[int, int]]:
    """Users by items: the root of what each pair is worth (a Gram matrix multiplies two), long histories damped."""
    newest_first = interactions.starts()[interactions.users + 1] - np.arange(len(interactions))
    short = newest_first <= HISTORY_MAX
    recent = interactions if short.all() else interactions.where(short)
    del newest_first, short
    worth = decay(now_days - recent.days, config.half_life_days) * kind_weights[recent.kinds]
    matrix = recent.user_items(np.sqrt(worth))
    degrees = np.maximum(np.diff(matrix.indptr), 1).astype(np.float64)
    matrix.data *= np.repeat(degrees ** (-config.user_damping / 2), np.diff(matrix.indptr))
    matrix.eliminate_zeros()
    return matrix


def _gram(
    weighted: sparse.csr_array[np.float64, tuple[int, int]], config: LocalEaseConfig, *, cells_max: int = CELLS_MAX
) -> _Gram:
    items = weighted.shape[1]
    by_item = sparse.csr_array(weighted.T)
    diagonal = np.bincount(weighted.indices, weights=weighted.data**2, minlength=items).astype(np.float64, copy=False)
    sides = (by_item.indptr, by_item.indices, by_item.data, weighted.indptr, weighted.indices, weighted.data)
    lengths = np.zeros(items, np.int64)
    on_all_cores(partial(count, sides=sides, lengths=lengths), items)
    if lengths.sum() > cells_max:
        lengths = np.minimum(lengths, max(config.neighbours, cells_max // items))
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    gram = _Gram(starts, np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32), diagonal)
    matrix = (gram.starts, gram.columns, gram.values, gram.diagonal)
    on_all_cores(partial(fill, sides=sides, matrix=matrix), items)
    return gram
