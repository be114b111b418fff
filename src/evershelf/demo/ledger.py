"""The demo shop's events as a Parquet file: names for numbers, ids made of time and chance, values in euro."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evershelf.contracts.events import EventType
from evershelf.demo.browsing import DAY_US
from evershelf.demo.catalog import WINDOW_DAYS, Catalog, Flags, Floats, Integers
from evershelf.demo.happenings import KINDS, Happenings
from evershelf.demo.shoppers import ANONYMOUS
from evershelf.demo.targets import BUYERS

QUANTITY_MAX_BUYER = 6
QUANTITY_MAX_GUEST = 2
_UUID_DASHES = (8, 13, 18, 23)
_UUID_LENGTH = 36

_COLUMNS: dict[str, pa.DataType] = {
    "event_id": pa.string(),
    "user_id": pa.string(),
    "session_id": pa.string(),
    "item_id": pa.string(),
    "event_type": pa.string(),
    "occurred_at": pa.timestamp("us", tz="UTC"),
    "value": pa.float64(),
}
SCHEMA = pa.schema(_COLUMNS)


def write_events(
    path: Path,
    happenings: Happenings,
    *,
    names: list[str],
    catalog: Catalog,
    rng: np.random.Generator,
    until: datetime,
) -> dict[str, int]:
    """Writes the events in the order of time, none before the window or after `until`; returns their counts by type.

    `names` are the users', by their number.
    """
    start_us = round((until - timedelta(days=WINDOW_DAYS)).timestamp()) * 1_000_000
    occurred_us = start_us + np.clip(happenings.at_us, 0, WINDOW_DAYS * DAY_US)
    items = [item.item_id for item in catalog.items]
    table = pa.table(
        [
            uuid7_strings(rng, occurred_us // 1_000),
            _named(names, happenings.user, missing=happenings.user == ANONYMOUS),
            _session_names(happenings.session),
            _named(items, happenings.item),
            _named([kind.value for kind in KINDS], happenings.kind),
            pa.array(occurred_us).cast(SCHEMA.field("occurred_at").type),
            _values(rng, happenings, catalog),
        ],
        schema=SCHEMA,
    )
    pq.write_table(table, path, compression="zstd")
    counts = np.bincount(happenings.kind, minlength=len(KINDS))
    return {kind.value: int(counts[index]) for index, kind in enumerate(KINDS)}


def uuid7_strings(rng: np.random.Generator, unix_ms: Integers) -> pa.StringArray:
    """UUIDs of version 7 (RFC 9562): 48 bits of time in milliseconds, the rest from the generator."""
    raw = rng.integers(0, 256, size=(unix_ms.size, 16), dtype=np.uint8)
    raw[:, :6] = unix_ms.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 2:]
    raw[:, 6] = raw[:, 6] & 0x0F | 0x70
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    text = np.full((unix_ms.size, _UUID_LENGTH), ord("-"), dtype=np.uint8)
    places = np.setdiff1d(np.arange(_UUID_LENGTH), _UUID_DASHES)
    text[:, places[0::2]] = digits[raw >> 4]
    text[:, places[1::2]] = digits[raw & 0x0F]
    offsets = np.arange(unix_ms.size + 1, dtype=np.int32) * _UUID_LENGTH
    return pa.StringArray.from_buffers(unix_ms.size, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text.tobytes()))


def _session_names(session: Integers) -> pa.StringArray:
    """Sessions numbered by their first event."""
    _, first, inverse = np.unique(session, return_index=True, return_inverse=True)
    names = [f"session-{number + 1:06d}" for number in range(first.size)]
    rank: Integers = np.argsort(np.argsort(first))
    return _named(names, rank[inverse])


def _named(names: list[str], index: Integers, *, missing: Flags | None = None) -> pa.StringArray:
    """The name at each index; null where it is missing."""
    named: pa.StringArray = pa.array(names).take(pa.array(index, mask=missing))  # type: ignore[arg-type]  # the stubs take every pa.array(mask=) for booleans
    return named


def _values(rng: np.random.Generator, happenings: Happenings, catalog: Catalog) -> pa.DoubleArray:
    """What carts and purchases are worth, in units of the currency: price times quantity; nothing for other events."""
    price: Floats = np.array([item.price or 0 for item in catalog.items], dtype=float)
    buyer = (happenings.user >= 0) & (happenings.user < BUYERS)
    quantity = rng.integers(1, np.where(buyer, QUANTITY_MAX_BUYER, QUANTITY_MAX_GUEST), endpoint=True)
    costs: Flags = np.isin(happenings.kind, [KINDS.index(EventType.ADD_TO_CART), KINDS.index(EventType.PURCHASE)])
    worth = np.round(price[happenings.item] * quantity / 100, 2)
    values: pa.DoubleArray = pa.array(worth, mask=~costs)  # type: ignore[assignment]  # as in _named
    return values
