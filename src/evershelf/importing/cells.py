"""Cells of any file as clean text, numbers and lists: trimmed, empty is null, whole floats lose their `.0`."""

import re

import numpy as np
import orjson
import pyarrow as pa

from evershelf.contracts.identifiers import ID_LENGTH_MAX
from evershelf.importing.arrow import Array, pc
from evershelf.importing.rows import Mask, Verdict, mask_of

_CONTROL = r"[\x00-\x1f\x7f]"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_WORDS = {"true": True, "t": True, "yes": True, "y": True, "1": True} | {
    "false": False, "f": False, "no": False, "n": False, "0": False,
}  # fmt: skip


def text_of(values: Array) -> Array:
    """Any column as trimmed text (pa.string)."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_nested(values.type):
        values = pa.array([None if v is None else orjson.dumps(v, default=str).decode() for v in values.to_pylist()])
    if pa.types.is_floating(values.type):
        values = _whole(values)
    if not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _whole(values: Array) -> Array:
    """Ids that a data frame turned into floats because some were missing: 17850.0 is 17850."""
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        return values


def numbers_of(values: Array) -> tuple[Array, Mask]:
    """A column as float64 (null where empty), and where a cell was no finite number."""
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        text = text_of(values)
        looks_right = pc.match_substring_regex(text, _NUMBER)
        wrong = mask_of(pc.invert(looks_right))
        values = pc.if_else(looks_right, text, pa.scalar(None, pa.string()))
    else:
        wrong = np.zeros(len(values), dtype=np.bool_)
    numbers = values.cast(pa.float64(), safe=False)
    wrong |= mask_of(pc.invert(pc.is_finite(numbers)))
    return numbers, wrong


def check_ids(ids: Array, name: str, verdict: Verdict) -> None:
    """Rejects ids that the API would refuse; a missing id is the caller's question."""
    verdict.reject(mask_of(pc.match_substring_regex(ids, _CONTROL)), f"control_character_in_{name}")
    verdict.reject(mask_of(pc.greater(pc.utf8_length(ids), ID_LENGTH_MAX)), f"{name}_too_long")


def check_length(text: Array, name: str, length_max: int, verdict: Verdict) -> None:
    """Rejects text that is too long, or holds the one character PostgreSQL cannot store."""
    verdict.reject(mask_of(pc.greater(pc.utf8_length(text), length_max)), f"{name}_too_long")
    verdict.reject(mask_of(pc.match_substring(text, "\x00")), f"nul_character_in_{name}")


def booleans_of(values: Array) -> tuple[Array, Mask]:
    """A column as booleans (null where empty), and where a cell was no yes or no."""
    if pa.types.is_boolean(values.type):
        return values, np.zeros(len(values), dtype=np.bool_)
    words = pc.utf8_lower(text_of(values)).to_pylist()
    flags = [None if word is None else _WORDS.get(word) for word in words]
    wrong = np.array([word is not None and flag is None for word, flag in zip(words, flags, strict=True)], np.bool_)
    return pa.array(flags, pa.bool_()), wrong


def labels_of(text: str | None, separator: str) -> list[str]:
    """A cell with several labels: separated text, or a JSON list. Trimmed, without repeats, in their order."""
    if not text:
        return []
    parts = _json_list(text) or text.split(separator)
    return list(dict.fromkeys(part for part in (str(part).strip() for part in parts) if part))


def _json_list(text: str) -> list[object] | None:
    if not text.startswith("["):
        return None
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, list) else None


def array_literal(labels: list[str]) -> str:
    """A PostgreSQL text[] literal."""
    return "{" + ",".join('"' + re.sub(r'(["\\])', r"\\\1", label) + '"' for label in labels) + "}"
