"""Arrays of a safetensors file as memory views, with nothing but the standard library: for rooms without numpy.

The container (github.com/huggingface/safetensors, "Format"): 8 bytes little-endian length N of the header, N bytes of
JSON `{name: {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {text: text}}`, then the data, which the
tensors cover without hole or overlap. The file is taken for hostile: nothing is believed before it is checked.
"""

import json
import math
import mmap
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, cast

from evershelf.registry.artifact import FILE_SIZE_BYTES_MAX, ArtifactRefused, Refusal

HEADER_SIZE_BYTES_MAX = 2**20
TENSORS_MAX = 1_024
DIMENSIONS_MAX = 8

_LENGTH_BYTES = 8
_METADATA = "__metadata__"
# Safetensors name -> (memoryview format, bytes an element).
_INTEGERS = {
    "I8": ("b", 1), "U8": ("B", 1), "I16": ("h", 2), "U16": ("H", 2),
    "I32": ("i", 4), "U32": ("I", 4), "I64": ("q", 8), "U64": ("Q", 8),
}  # fmt: skip
_FLOATS = {"F32": ("f", 4), "F64": ("d", 8)}
_DTYPES = _INTEGERS | _FLOATS


@dataclass(frozen=True, slots=True)
class _Entry:
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Tensors:
    """The arrays of one file by name, flat and read-only, valid as long as any view of them is held."""

    def __init__(self, data: memoryview, entries: Mapping[str, _Entry], metadata: Mapping[str, str]) -> None:
        self._data = data
        self._entries = entries
        self.metadata: Mapping[str, str] = MappingProxyType(dict(metadata))

    @property
    def names(self) -> frozenset[str]:
        """The names of all tensors."""
        return frozenset(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's dimensions. Raises ArtifactRefused if there is none of that name."""
        return self._entry(name).shape

    def integers(self, name: str) -> "memoryview[int]":
        """A tensor of whole numbers, in C order. Raises ArtifactRefused if absent or of another dtype."""
        entry = self._entry(name)
        if entry.dtype not in _INTEGERS:
            raise ArtifactRefused(Refusal.TENSORS, f"{name} is {entry.dtype}, not whole numbers")
        return cast("memoryview[int]", self._view(entry))  # the format is known only from the file

    def floats(self, name: str) -> "memoryview[float]":
        """A tensor of floating-point numbers, in C order. Raises ArtifactRefused if absent or of another dtype."""
        entry = self._entry(name)
        if entry.dtype not in _FLOATS:
            raise ArtifactRefused(Refusal.TENSORS, f"{name} is {entry.dtype}, not floating point")
        return cast("memoryview[float]", self._view(entry))  # the format is known only from the file

    def _view(self, entry: _Entry) -> object:
        return self._data[entry.begin : entry.end].cast(_DTYPES[entry.dtype][0])  # type: ignore[call-overload]  # format from a table

    def _entry(self, name: str) -> _Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise ArtifactRefused(Refusal.TENSORS, f"there is no tensor {name}") from None


def open_tensors(path: Path) -> Tensors:
    """The file mapped into memory, its header checked whole. The file must not be truncated while views are held.

    Raises:
        ArtifactRefused: the file cannot be read or is not a sound container.
    """
    if sys.byteorder != "little":
        _refuse("safetensors is little-endian, this machine is not")
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, 2)
            if not _LENGTH_BYTES < size_bytes <= FILE_SIZE_BYTES_MAX:
                _refuse(f"{path.name} has {size_bytes} bytes")
            data = memoryview(mmap.mmap(file.fileno(), size_bytes, access=mmap.ACCESS_READ))
    except OSError as error:
        raise ArtifactRefused(Refusal.CONTAINER, f"{path.name} cannot be read") from error
    header_bytes = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if header_bytes > min(HEADER_SIZE_BYTES_MAX, size_bytes - _LENGTH_BYTES):
        _refuse(f"a header of {header_bytes} bytes")
    begin = _LENGTH_BYTES + header_bytes
    header = _parse(bytes(data[_LENGTH_BYTES:begin]))
    metadata = _metadata(header.pop(_METADATA, {}))
    entries = {name: _checked_entry(name, value) for name, value in header.items()}
    _check_cover(entries, size_bytes - begin)
    return Tensors(data[begin:], entries, metadata)


def _parse(text: bytes) -> dict[str, object]:
    try:
        header = json.loads(text, object_pairs_hook=_once_each)
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON, bad UTF-8, a name twice, a number too long
        raise ArtifactRefused(Refusal.CONTAINER, "the header is not JSON") from error
    if not isinstance(header, dict) or len(header) > TENSORS_MAX:
        _refuse("the header is no object, or names too many tensors")
    return header


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        _refuse("the metadata is not text by name")
    return value


def _checked_entry(name: str, value: object) -> _Entry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        _refuse(f"tensor {name[:64]!r} is misdescribed")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        _refuse(f"tensor {name[:64]!r} has an unknown dtype")
    if not _naturals(shape) or len(shape) > DIMENSIONS_MAX or not _naturals(offsets) or len(offsets) != 2:
        _refuse(f"tensor {name[:64]!r} has no sound shape or offsets")
    begin, end = offsets
    if end - begin != math.prod(shape) * _DTYPES[dtype][1]:
        _refuse(f"tensor {name[:64]!r} has a shape that does not fill its bytes")
    return _Entry(dtype, tuple(shape), begin, end)


def _naturals(value: object) -> bool:
    # `type is int`, not isinstance: true and false are no sizes. Bounded, so that no product grows without limit.
    return isinstance(value, list) and all(type(part) is int and 0 <= part <= FILE_SIZE_BYTES_MAX for part in value)


def _check_cover(entries: Mapping[str, _Entry], size_bytes: int) -> None:
    reached = 0
    for entry in sorted(entries.values(), key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != reached:
            _refuse("the tensors overlap or leave holes")
        reached = entry.end
    if reached != size_bytes:
        _refuse(f"the tensors cover {reached} of {size_bytes} bytes")


def _refuse(detail: str) -> NoReturn:
    raise ArtifactRefused(Refusal.CONTAINER, detail)
