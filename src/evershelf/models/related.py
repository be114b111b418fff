"""The related-items table: for each item its strongest neighbours, from the best source that knows the item."""

from collections.abc import Sequence

import numpy as np

from evershelf.contracts.manifest import ServingConfig
from evershelf.models.pruning import strongest
from evershelf.models.sparse_rows import Int64s, SparseRows

RELATED_PER_ITEM = 50


def blended_rows(rows: dict[str, SparseRows], serving: ServingConfig, *, per_row: int = RELATED_PER_ITEM) -> SparseRows:
    """The components added up with their weights: what one fresh interaction with an item would recommend."""
    parts = [(rows[component.name], component.weight) for component in serving.components]
    items = parts[0][0].items
    owners = np.concatenate([np.repeat(np.arange(items), matrix.lengths()) for matrix, _ in parts])
    columns = np.concatenate([matrix.indices.astype(np.int64) for matrix, _ in parts])
    values = np.concatenate([matrix.weights.astype(np.float64) * weight for matrix, weight in parts])
    cells, places = np.unique(owners * items + columns, return_inverse=True)
    sums = np.bincount(places, weights=values, minlength=len(cells)).astype(np.float64)
    return strongest(cells // items, cells % items, sums, items=items, per_row=per_row)


def translated_rows(rows: SparseRows, place_of: Int64s, items: int, *, per_row: int = RELATED_PER_ITEM) -> SparseRows:
    """The matrix over another list of items: `place_of` int64[old items] gives the new index, -1 where none is."""
    owners = place_of[np.repeat(np.arange(rows.items), rows.lengths())]
    columns = place_of[rows.indices]
    kept = (owners >= 0) & (columns >= 0)
    return strongest(owners[kept], columns[kept], rows.weights[kept].astype(np.float64), items=items, per_row=per_row)


def first_known(sources: Sequence[SparseRows]) -> SparseRows:
    """For each item the row of the first source that has one, scaled so that its best neighbour scores 1."""
    items = sources[0].items
    owners, columns, values = [], [], []
    open_rows = np.ones(items, np.bool_)
    for source in sources:
        lengths = source.lengths()
        taken = np.repeat(open_rows, lengths)
        peaks = np.ones(items, np.float64)
        filled = lengths > 0
        peaks[filled] = np.maximum.reduceat(source.weights, source.indptr[:-1][filled]) if filled.any() else 1.0
        owner = np.repeat(np.arange(items), lengths)
        owners.append(owner[taken])
        columns.append(source.indices[taken].astype(np.int64))
        values.append((source.weights / peaks[owner])[taken])
        open_rows &= ~filled
    joined = (np.concatenate(owners), np.concatenate(columns), np.concatenate(values))
    return strongest(*joined, items=items, per_row=RELATED_PER_ITEM)
