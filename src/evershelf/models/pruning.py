"""Keeps the strongest weights of each row: what makes a model fit in memory and a request cheap."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from evershelf.models.pruning_kernels import share_out
from evershelf.models.sparse_rows import Float64s, Int64s, SparseRows

# Over all components of a model together.
WEIGHTS_PER_ROW = 100
# Of these, so many are each component's own: content says little, but it alone knows the items that nobody had.
WEIGHTS_RESERVED = 10


def strongest_together(
    rows: Mapping[str, SparseRows], scale: Mapping[str, float], *, per_row: int = WEIGHTS_PER_ROW
) -> dict[str, SparseRows]:
    """The components with at most `per_row` weights a row among them: those that say most.

    A weight says itself times `scale` of its component; each keeps its WEIGHTS_RESERVED strongest whatever they say.
    The rows given begin with their strongest weights.
    """
    assert per_row >= WEIGHTS_RESERVED * len(rows), "what is reserved must fit"
    names = list(rows)
    if len(names) < 2:
        return dict(rows)
    begins = np.concatenate(([0], np.cumsum([len(rows[name].weights) for name in names])))
    starts = np.stack([rows[name].indptr + begin for name, begin in zip(names, begins[:-1], strict=True)])
    lengths = np.empty((len(names), starts.shape[1] - 1), np.int64)
    scales = np.array([scale[name] for name in names], np.float64)
    limits = (per_row, WEIGHTS_RESERVED)
    share_out(starts, np.concatenate([rows[name].weights for name in names]), scales, limits, lengths)
    return {name: _heads(rows[name], kept) for name, kept in zip(names, lengths, strict=True)}


def _heads(rows: SparseRows, lengths: Int64s) -> SparseRows:
    """The first so many weights of each row."""
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    kept = np.repeat(rows.indptr[:-1] - indptr[:-1], lengths) + np.arange(indptr[-1])
    return SparseRows(indptr, rows.indices[kept], rows.weights[kept])


def strongest(
    owners: Int64s, columns: Int64s, values: Float64s, *, items: int, per_row: int, first_row: int = 0
) -> SparseRows:
    """The `per_row` largest positive values of each row, largest first, the diagonal left out; ties stand by column.

    `first_row` is where the rows begin in the whole matrix, of which they are a portion.
    """
    positive = (values > 0) & (owners + first_row != columns)
    owners, columns, values = owners[positive], columns[positive], values[positive]
    order = np.lexsort((columns, -values, owners))
    owners = owners[order]
    begins = np.searchsorted(owners, np.arange(items + 1))
    places = np.arange(len(owners)) - begins[owners]
    kept = places < per_row
    lengths = np.bincount(owners[kept], minlength=items)
    return SparseRows(
        np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        columns[order][kept].astype(np.int32),
        values[order][kept].astype(np.float32),
    )


def strongest_of(
    matrix: sparse.csr_array[np.float64, tuple[int, int]], per_row: int, *, first_row: int = 0
) -> SparseRows:
    """The same, of a sparse matrix."""
    entries = matrix.tocoo()
    owners, columns = (axis.astype(np.int64) for axis in entries.coords)
    return strongest(owners, columns, entries.data, items=matrix.shape[0], per_row=per_row, first_row=first_row)


def strongest_of_dense(block: Float64s, first_row: int, per_row: int) -> tuple[Int64s, Int64s, Float64s]:
    """Owners, columns and values of the `per_row` largest of each row of a dense block[r, n], without its diagonal."""
    block[np.arange(len(block)), first_row + np.arange(len(block))] = 0.0
    width = min(per_row, block.shape[1])
    columns = np.argpartition(-block, width - 1, axis=1)[:, :width]
    owners = np.repeat(first_row + np.arange(len(block)), width)
    return owners, columns.ravel().astype(np.int64), np.take_along_axis(block, columns, axis=1).ravel()
