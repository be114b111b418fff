"""Reads interactions from files in the plain interchange form: columns user, item[, time, event_type]."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from evershelf.contracts.events import EventType
from evershelf.models.content import Features
from evershelf.models.interactions import EVENT_CODES, SECONDS_PER_DAY, Int8s, Interactions
from evershelf.models.sparse_rows import Float64s, Int32s
from evershelf.training.descriptions import described_by

PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})
DEFAULT_KIND = EventType.VIEW_ITEM
UNKNOWN_TOLD_MAX = 5
# Ids are text whatever they look like: 0439420890 is no number, and must be the same id in every file.
_AS_TEXT = csv.ConvertOptions(
    column_types={"user": pa.string(), "item": pa.string(), "event_type": pa.string()},
    strings_can_be_null=True,
    null_values=[""],
)

_Texts: TypeAlias = "pa.Array[pa.StringScalar]"


class FileRefusedError(Exception):
    """A file cannot be evaluated; the message says why."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Interactions of one or two files over the same users and items.

    Where rows had no time (`dated` is false), days are the number of the row: they order, and say nothing else.
    """

    train: Interactions
    test: Interactions
    dated: bool
    features: Features | None = None
    test_dated: bool = True


def read_tables(train: Path, test: Path | None = None, items: Path | None = None) -> Tables:
    """The files as arrays; `items` adds items that nobody had. Raises FileRefusedError and OSError."""
    paths = [path for path in (train, test) if path is not None]
    tables = [_read(path, ("user", "item")) for path in paths]
    described = None if items is None else _read(items, ("item",))
    catalog = [] if items is None or described is None else [_texts(described, "item", items)]
    users = [_texts(table, "user", path) for table, path in zip(tables, paths, strict=True)]
    columns = [_texts(table, "item", path) for table, path in zip(tables, paths, strict=True)]
    user_ids, item_ids = _distinct(users), _distinct([*columns, *catalog])
    parts = []
    for table, path, user, item in zip(tables, paths, users, columns, strict=True):
        parts.append(
            _in_order_of_rows(
                _numbers(user, user_ids),
                _numbers(item, item_ids),
                _days(table, path),
                _kinds(table, path),
                user_count=len(user_ids),
                item_count=len(item_ids),
            )
        )
    known = parts[0]
    features = None if described is None else described_by(described, item_ids.to_pylist())
    dated = ["time" in table.column_names for table in tables]
    return Tables(known, parts[1] if test else known.slice_of(0, 0), dated[0], features, test_dated=all(dated))


def _in_order_of_rows(
    users: Int32s, items: Int32s, days: Float64s, kinds: Int8s, *, user_count: int, item_count: int
) -> Interactions:
    """By user and time; rows of one instant stay in the order of the file, which often is the true one."""
    order = np.lexsort((np.arange(len(users)), days, users))
    return Interactions(users[order], items[order], days[order], kinds[order], user_count, item_count)


def _read(path: Path, required: tuple[str, ...]) -> pa.Table:
    try:
        is_parquet = path.suffix in PARQUET_SUFFIXES
        table = parquet.read_table(path) if is_parquet else csv.read_csv(path, convert_options=_AS_TEXT)
    except pa.ArrowInvalid as error:
        raise FileRefusedError(f"{path} cannot be read: {error}") from error
    missing = [name for name in required if name not in table.column_names]
    if missing:
        raise FileRefusedError(f"{path} has no column {' and no column '.join(missing)}, only {table.column_names}")
    if not table.num_rows:
        raise FileRefusedError(f"{path} has no rows")
    return table


def _texts(table: pa.Table, name: str, path: Path) -> _Texts:
    if table[name].null_count:
        raise FileRefusedError(f"{path} has rows without {name}")
    return cast("_Texts", pc.cast(table[name], pa.string()).combine_chunks())  # the stubs know no chunked arrays


def _distinct(columns: list[_Texts]) -> _Texts:
    # In order of id, so that the order of rows does not reach the model.
    found = pa.concat_arrays([column.unique() for column in columns]).unique()
    return found.take(pc.sort_indices(found))


def _numbers(column: _Texts, ids: _Texts) -> Int32s:
    return np.asarray(pc.index_in(column, value_set=ids).to_numpy(), np.int32)


def _days(table: pa.Table, path: Path) -> Float64s:
    """Days since 1970: from seconds since 1970, or from timestamps; without times the number of the row."""
    if "time" not in table.column_names:
        return np.arange(table.num_rows, dtype=np.float64)
    times = table["time"]
    if times.null_count:
        raise FileRefusedError(f"{path} has rows without time")
    if pa.types.is_integer(times.type) or pa.types.is_floating(times.type):
        return np.asarray(times.to_numpy(), np.float64) / SECONDS_PER_DAY
    if pa.types.is_timestamp(times.type) or pa.types.is_date(times.type):
        microseconds = pc.cast(pc.cast(times, pa.timestamp("us")), pa.int64()).to_numpy()
        return np.asarray(microseconds, np.float64) / (SECONDS_PER_DAY * 1e6)
    raise FileRefusedError(f"{path} has times of type {times.type}: seconds since 1970 or timestamps are needed")


def _kinds(table: pa.Table, path: Path) -> Int8s:
    if "event_type" not in table.column_names:
        return np.full(table.num_rows, EVENT_CODES[DEFAULT_KIND], np.int8)
    encoded = pc.cast(table["event_type"], pa.string()).combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    unknown = [name for name in names if name not in EVENT_CODES]
    if unknown or encoded.null_count:
        found = ", ".join(repr(name) for name in unknown[:UNKNOWN_TOLD_MAX]) or "an empty one"
        raise FileRefusedError(f"{path} has unknown event types: {found}; known: {', '.join(EVENT_CODES)}")
    codes = np.array([EVENT_CODES[EventType(str(name))] for name in names], np.int8)
    return np.asarray(codes[encoded.indices.to_numpy()], np.int8)
