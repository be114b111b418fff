"""Batches of rows between reading and storing, and the verdict on each row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evershelf.importing.arrow import Array, pc

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that gave no row at all: where it stands, why, and its text."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows as read. `lines`: int64, one per row, counted from 1 (the header line included where there is one)."""

    rows: pa.RecordBatch
    lines: NDArray[np.int64]
    unreadable: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch after its checks: what is to be stored (columns in staging order), and the verdict on what was read."""

    ready: pa.RecordBatch
    batch: RowBatch
    verdict: "Verdict"


class RowReader(Protocol):
    """A file that yields its rows in batches of bounded size. Raises ImportProblem where it is broken."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names; empty where only the rows themselves tell."""
        ...

    def batches(self) -> Iterator[RowBatch]:
        """All rows, from the start, once."""
        ...

    def position(self) -> tuple[int, int]:
        """How much was read, and of how much; safe to ask from another thread."""
        ...


class Verdict:
    """Which rows of a batch are rejected, each for the first reason found."""

    def __init__(self, rows: int) -> None:
        """No row is rejected yet."""
        self._codes = np.zeros(rows, dtype=np.uint8)
        self._reasons: list[str] = []

    def reject(self, mask: Mask, reason: str) -> None:
        """Rejects the rows of `mask` that were good so far."""
        fresh = mask & (self._codes == 0)
        if fresh.any():
            self._reasons.append(reason)
            self._codes[fresh] = len(self._reasons)

    @property
    def good(self) -> Mask:
        """The rows that nobody rejected."""
        good: Mask = self._codes == 0
        return good

    def rejected(self) -> list[tuple[int, str]]:
        """Index and reason of each rejected row, in order."""
        return [(int(index), self._reasons[self._codes[index] - 1]) for index in np.flatnonzero(self._codes)]


def mask_of(values: Array) -> Mask:
    """A boolean array as numpy; null counts as false."""
    mask: Mask = pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(np.bool_)  # noqa: FBT003 - pyarrow
    return mask


def take_good(columns: dict[str, Array], verdict: Verdict) -> pa.RecordBatch:
    """The columns, without rejected rows."""
    table = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    good = verdict.good
    return table if good.all() else table.filter(pa.array(good))
