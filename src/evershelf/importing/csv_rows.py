"""Rows of CSV: delimiter sniffed, every cell read as text, lines with too many or too few cells set aside."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray

from evershelf.importing.opening import ByteStream, decode_head, explained, open_bytes, read_head
from evershelf.importing.report import ImportProblem
from evershelf.importing.rows import Reject, RowBatch

BLOCK_SIZE_BYTES = 4 * 1024 * 1024
COLUMNS_MAX = 1_000
_DELIMITERS = ",;\t|"
_NULLS = ["", "NULL", "null", "\\N"]


class CsvRows:
    """A RowReader of CSV with a header line."""

    def __init__(self, path: Path, *, delimiter: str | None = None, encoding: str = "utf-8") -> None:
        """Reads the header; raises ImportProblem."""
        self._path = path
        self._encoding = encoding
        header = decode_head(path, read_head(path), encoding).partition("\n")[0].rstrip("\r")
        self._delimiter = delimiter or sniff_delimiter(header)
        self.columns = tuple(name.strip() for name in next(csv.reader([header], delimiter=self._delimiter), []))
        self._check_header()
        self._stream: ByteStream | None = None
        self._skipped: list[int] = []
        self._unreadable: list[Reject] = []

    def _check_header(self) -> None:
        doubled = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if doubled:
            raise ImportProblem(f"{self._path.name} has the column {doubled[0]!r} more than once: rename one of them")
        if not 1 <= len(self.columns) <= COLUMNS_MAX:
            raise ImportProblem(f"{self._path.name} has {len(self.columns)} columns; 1 to {COLUMNS_MAX} can be read")

    def position(self) -> tuple[int, int]:
        """Bytes read, and the file's size."""
        return self._stream.position() if self._stream else (0, 1)

    def batches(self) -> Iterator[RowBatch]:
        """All rows as text columns; a batch is one block of the decompressed file."""
        self._stream = open_bytes(self._path)
        with explained(self._path, self._encoding), self._stream.raw, self._stream.content:
            kept = 0
            for rows in self._blocks(self._stream):
                unreadable, self._unreadable = tuple(self._unreadable), []
                yield RowBatch(rows, self._lines(kept, rows.num_rows), unreadable)
                kept += rows.num_rows

    def _blocks(self, stream: ByteStream) -> Iterator[pa.RecordBatch]:
        text = pa.string()
        content: Any = stream.content  # the stubs know paths and Python files only
        try:
            reader = arrow_csv.open_csv(
                content,
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_SIZE_BYTES, column_names=list(self.columns), skip_rows=1,
                    encoding=self._encoding,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=self._set_aside
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(self.columns, text), strings_can_be_null=True, null_values=_NULLS
                ),
            )  # fmt: skip
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):
                raise
            return
        yield from reader
        if self._unreadable:
            yield pa.RecordBatch.from_arrays([pa.array([], text) for _ in self.columns], names=list(self.columns))

    def _set_aside(self, row: arrow_csv.InvalidRow) -> Literal["skip"]:
        number = int(row.number or 0)
        self._skipped.append(number)
        self._unreadable.append(Reject(number, "wrong_number_of_cells", row.text))
        return "skip"

    def _lines(self, kept: int, rows: int) -> NDArray[np.int64]:
        """Line numbers of rows `kept`.. of those kept: each line set aside before a row moves it down by one."""
        index = np.arange(kept, kept + rows, dtype=np.int64) + 2
        skipped = np.array(self._skipped, dtype=np.int64)
        shifted: NDArray[np.int64] = index + np.searchsorted(skipped - np.arange(len(skipped)), index, side="right")
        return shifted


def sniff_delimiter(header: str) -> str:
    """The delimiter that the header holds most of, outside quotes; a comma where it holds none."""
    bare = "".join(part for place, part in enumerate(header.split('"')) if place % 2 == 0)
    return max(_DELIMITERS, key=bare.count)
