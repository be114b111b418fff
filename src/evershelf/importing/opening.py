"""Opens a file for reading whatever it is: CSV, JSONL or Parquet, plain, gzip or zstd, told by content before name."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pyarrow as pa

from evershelf.importing.report import ImportProblem

HEAD_SIZE_BYTES = 256 * 1024
_MAGIC: dict[bytes, Literal["gzip", "zstd"]] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class FileFormat(StrEnum):
    """How rows stand in a file."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


_SUFFIXES = {
    ".csv": FileFormat.CSV, ".tsv": FileFormat.CSV, ".txt": FileFormat.CSV, ".inter": FileFormat.CSV,
    ".jsonl": FileFormat.JSONL, ".ndjson": FileFormat.JSONL, ".json": FileFormat.JSONL,
    ".parquet": FileFormat.PARQUET, ".pq": FileFormat.PARQUET,
}  # fmt: skip


@dataclass(slots=True)
class ByteStream:
    """A file's content, decompressed while it is read; `raw` tells how much of the file itself is read."""

    raw: pa.NativeFile
    content: pa.NativeFile
    size_bytes: int

    def position(self) -> tuple[int, int]:
        """Bytes of the file read, and its size."""
        return (self.size_bytes if self.raw.closed else self.raw.tell()), self.size_bytes


def open_bytes(path: Path) -> ByteStream:
    """The content of `path`; raises ImportProblem where it is missing, empty or unreadable."""
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(4)
        raw = pa.OSFile(str(path), "rb")
    except OSError as error:
        raise ImportProblem(f"cannot read {path}: {error.strerror or error}") from error
    if not size_bytes:
        raise ImportProblem(f"{path.name} is empty (0 bytes)")
    codec = next((name for mark, name in _MAGIC.items() if magic.startswith(mark)), None)
    return ByteStream(raw, pa.CompressedInputStream(raw, codec) if codec else raw, size_bytes)


def read_head(path: Path) -> bytes:
    """The first decompressed bytes, at most HEAD_SIZE_BYTES."""
    stream = open_bytes(path)
    with explained(path), stream.raw, stream.content:
        return bytes(stream.content.read(HEAD_SIZE_BYTES))


def format_of(path: Path, wanted: FileFormat | None) -> FileFormat:
    """The wanted format, else what the first bytes say, else what the name says; raises ImportProblem."""
    if wanted is not None:
        return wanted
    head = read_head(path)
    if head.startswith(b"PAR1"):
        return FileFormat.PARQUET
    named = [_SUFFIXES[suffix.lower()] for suffix in path.suffixes if suffix.lower() in _SUFFIXES]
    if named:
        return named[-1]
    if head.lstrip().startswith(b"{"):
        return FileFormat.JSONL
    raise ImportProblem(f"cannot tell what {path.name} is: add --format csv, jsonl or parquet")


def decode_head(path: Path, head: bytes, encoding: str) -> str:
    """The head as text; raises ImportProblem where the encoding is another one."""
    if head.startswith(_UTF16) and not encoding.lower().replace("-", "").startswith("utf16"):
        raise ImportProblem(f"{path.name} is UTF-16: add --encoding utf-16")
    try:
        return (
            io.TextIOWrapper(io.BytesIO(head[: head.rfind(b"\n") + 1] or head), encoding=encoding)
            .read()
            .lstrip("\ufeff")
        )
    except UnicodeDecodeError as error:
        raise wrong_encoding(path, encoding) from error
    except LookupError as error:
        raise ImportProblem(f"there is no encoding {encoding!r}: try utf-8, latin-1 or cp1252") from error


def wrong_encoding(path: Path, encoding: str) -> ImportProblem:
    """What to say to text that is not what it was taken for."""
    return ImportProblem(f"{path.name} is not {encoding.upper()} text: name its encoding, such as --encoding latin-1")


@contextmanager
def explained(path: Path, encoding: str = "utf-8") -> Iterator[None]:
    """Puts what the decompressors and parsers say about a broken file into words that say what to do."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise wrong_encoding(path, encoding) from error
    except (pa.ArrowException, OSError) as error:
        raise ImportProblem(_explanation(path, str(error), encoding)) from error


def _explanation(path: Path, said: str, encoding: str) -> str:
    lowered = said.lower()
    if "truncated" in lowered or "unexpected end" in lowered:
        return f"{path.name} ends in the middle of its compressed data: it was cut off; fetch or make it again"
    if "utf8" in lowered or "utf-8" in lowered:
        return str(wrong_encoding(path, encoding))
    if "straddling" in lowered:
        return f"{path.name} has a row of many megabytes: look for a quote that is never closed"
    if "parquet" in lowered or "thrift" in lowered:
        return f"{path.name} is no valid Parquet file ({said}): it was cut off or damaged; fetch or make it again"
    if "decompress" in lowered or "zlib" in lowered or "zstd" in lowered:
        return f"{path.name} has damaged compressed data ({said}): fetch or make it again"
    return f"{path.name} cannot be read: {said}"
