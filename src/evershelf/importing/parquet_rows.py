"""Rows of Parquet, typed as they are stored."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from evershelf.importing.opening import explained, open_bytes
from evershelf.importing.rows import RowBatch

BATCH_ROWS = 65_536


class ParquetRows:
    """A RowReader of Parquet. A row's line is its number, counted from 1."""

    def __init__(self, path: Path) -> None:
        """Reads the footer; raises ImportProblem."""
        self._path = path
        open_bytes(path).raw.close()
        with explained(path), pq.ParquetFile(path) as file:
            self.columns: tuple[str, ...] = tuple(file.schema_arrow.names)
            self._total = file.metadata.num_rows
        self._read = 0

    def position(self) -> tuple[int, int]:
        """Rows read, and rows in all."""
        return self._read, self._total

    def batches(self) -> Iterator[RowBatch]:
        """All rows in their order."""
        with explained(self._path), pq.ParquetFile(self._path) as file:
            for rows in file.iter_batches(BATCH_ROWS, use_threads=False):
                yield RowBatch(rows, np.arange(self._read + 1, self._read + rows.num_rows + 1, dtype=np.int64))
                self._read += rows.num_rows
