"""Sparse rows of an item-item matrix: the one form in which models are fitted, stored and served."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

TENSORS = ("indptr", "indices", "weights")


class InvalidModelError(ValueError):
    """The arrays of a model contradict each other, or hold what no model may hold."""


@dataclass(frozen=True, slots=True)
class SparseRows:
    """A square matrix in compressed rows: indptr int64[n+1], indices int32[m], weights float32[m], all weights >= 0."""

    indptr: Int64s
    indices: Int32s
    weights: Float32s

    @property
    def items(self) -> int:
        """Rows of the matrix, which are also its columns."""
        return len(self.indptr) - 1

    def lengths(self) -> Int64s:
        """How many weights each row holds."""
        return np.diff(self.indptr)

    def tensors(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """The three arrays under the names they have in an artifact."""
        return {f"{name}.indptr": self.indptr, f"{name}.indices": self.indices, f"{name}.weights": self.weights}


def rows_from_tensors(tensors: Mapping[str, npt.NDArray[np.generic]], name: str, items: int) -> SparseRows:
    """The matrix `name` of an artifact, checked as hostile input.

    Raises:
        InvalidModelError: a tensor is missing, of the wrong type or shape, not finite, or points outside the catalog.
    """
    missing = [part for part in TENSORS if f"{name}.{part}" not in tensors]
    if missing:
        raise InvalidModelError(f"component {name} lacks the tensors {missing}")
    indptr, indices, weights = (tensors[f"{name}.{part}"] for part in TENSORS)
    for array, dtype in ((indptr, np.int64), (indices, np.int32), (weights, np.float32)):
        if array.dtype != dtype or array.ndim != 1:
            raise InvalidModelError(
                f"component {name} holds {array.dtype}[{array.ndim}d] where {dtype.__name__}[1d] belongs"
            )
    rows = SparseRows(np.asarray(indptr, np.int64), np.asarray(indices, np.int32), np.asarray(weights, np.float32))
    check_rows(rows, name, items)
    return rows


def check_rows(rows: SparseRows, name: str, items: int) -> None:
    """Nothing, if the matrix is sound.

    Raises:
        InvalidModelError: it is not; the message says in what way.
    """
    if rows.items != items:
        raise InvalidModelError(f"component {name} has {rows.items} rows for {items} items")
    if rows.indptr[0] != 0 or rows.indptr[-1] != len(rows.indices) or np.any(rows.lengths() < 0):
        raise InvalidModelError(f"component {name} has row bounds that do not fit its {len(rows.indices)} weights")
    if len(rows.indices) != len(rows.weights):
        raise InvalidModelError(f"component {name} has {len(rows.indices)} indices for {len(rows.weights)} weights")
    if len(rows.indices) and (rows.indices.min() < 0 or rows.indices.max() >= items):
        raise InvalidModelError(f"component {name} points outside the {items} items")
    if not np.all(np.isfinite(rows.weights)):
        raise InvalidModelError(f"component {name} holds weights that are not finite")
