"""Rows of JSONL: one object a line; a line that is none is set aside alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from evershelf.importing.arrow import Array
from evershelf.importing.opening import ByteStream, decode_head, explained, open_bytes, read_head
from evershelf.importing.report import ImportProblem
from evershelf.importing.rows import Reject, RowBatch

CHUNK_SIZE_BYTES = 4 * 1024 * 1024
LINE_SIZE_BYTES_MAX = 16 * 1024 * 1024


class JsonlRows:
    """A RowReader of JSONL. Its columns are known only as far as it was read."""

    def __init__(self, path: Path) -> None:
        """Looks at the encoding; raises ImportProblem."""
        self._path = path
        decode_head(path, read_head(path), "utf-8")
        self._seen: dict[str, None] = {}
        self._stream: ByteStream | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The keys seen so far."""
        return tuple(self._seen)

    def position(self) -> tuple[int, int]:
        """Bytes read, and the file's size."""
        return self._stream.position() if self._stream else (0, 1)

    def batches(self) -> Iterator[RowBatch]:
        """All objects, in batches of one chunk of the decompressed file."""
        self._stream = open_bytes(self._path)
        with explained(self._path), self._stream.raw, self._stream.content:
            line = 0
            for lines in self._chunks(self._stream.content):
                yield self._batch(lines, line)
                line += len(lines)

    def _chunks(self, content: pa.NativeFile) -> Iterator[list[bytes]]:
        carry = b"" if not read_head(self._path).startswith(b"\xef\xbb\xbf") else content.read(3)[3:]
        while chunk := content.read(CHUNK_SIZE_BYTES):
            whole, mark, rest = (carry + chunk).rpartition(b"\n")
            carry = rest
            if len(carry) > LINE_SIZE_BYTES_MAX:
                raise ImportProblem(f"{self._path.name} has a line of more than 16 MB: is it one JSON list, not JSONL?")
            if mark:
                yield whole.split(b"\n")
        if carry:
            yield [carry]

    def _batch(self, lines: list[bytes], before: int) -> RowBatch:
        objects: list[dict[str, object]] = []
        places: list[int] = []
        unreadable: list[Reject] = []
        for place, text in enumerate(lines, start=before + 1):
            if not text.strip():
                continue
            parsed = _parse(text)
            if isinstance(parsed, dict):
                objects.append(parsed)
                places.append(place)
            else:
                reason = "invalid_json" if parsed is None else "not_an_object"
                unreadable.append(Reject(place, reason, text.decode("utf-8", "replace")))
        return RowBatch(self._columns_of(objects), np.array(places, dtype=np.int64), tuple(unreadable))

    def _columns_of(self, objects: list[dict[str, object]]) -> pa.RecordBatch:
        names = dict.fromkeys(name for entry in objects for name in entry)
        self._seen |= names
        cells = [_column([entry.get(name) for entry in objects]) for name in names]
        if not cells:
            return pa.RecordBatch.from_arrays([pa.nulls(len(objects))], names=[""])
        return pa.RecordBatch.from_arrays(cells, names=list(names))


def _parse(text: bytes) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _column(cells: list[object]) -> Array:
    """One type where the cells agree, else text: in JSONL nothing keeps an id from being 7 here and "7" there."""
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array(
            [c if c is None or isinstance(c, str) else orjson.dumps(c).decode() for c in cells], pa.string()
        )
