"""Keeps the strongest weights of each row: what makes a model fit in memory and a request cheap."""

import numpy as np
from scipy import sparse

from evershelf.models.sparse_rows import Float64s, Int64s, SparseRows

WEIGHTS_PER_ROW = 100


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
