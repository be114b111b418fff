"""Rows into events: the mapped columns read, checked against the contract, and put into staging order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from evershelf.contracts.events import FUTURE_TOLERANCE_S, OCCURRED_AT_MIN, EventType
from evershelf.importing.arrow import Array, pc
from evershelf.importing.cells import check_ids, numbers_of, text_of
from evershelf.importing.mapping import ColumnMap
from evershelf.importing.rows import Mask, Prepared, RowBatch, Verdict, mask_of, take_good
from evershelf.importing.times import TimeReader

# Every month with an event becomes a partition: an absurd date must not make thousands of them.
# What other shops' exports call these events.
EVENT_NAMES: dict[str, EventType] = {event_type.value: event_type for event_type in EventType} | {
    "view": EventType.VIEW_ITEM,
    "click": EventType.SELECT_ITEM,
    "impression": EventType.VIEW_ITEM_LIST,
    "cart": EventType.ADD_TO_CART,
    "addtocart": EventType.ADD_TO_CART,
    "buy": EventType.PURCHASE,
    "transaction": EventType.PURCHASE,
    "fav": EventType.ADD_TO_WISHLIST,
    "favorite": EventType.ADD_TO_WISHLIST,
    "rating": EventType.RATE,
}
_UUID = r"^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$"


@dataclass(frozen=True, slots=True)
class EventShaper:
    """Turns batches into staged events. One per file: its time reader remembers what the first batch showed."""

    columns: ColumnMap
    times: TimeReader
    now: datetime
    names: dict[str, EventType] = field(default_factory=lambda: EVENT_NAMES)

    def __call__(self, batch: RowBatch, verdict: Verdict | None = None) -> Prepared:
        """The batch's good rows as events; rows that `verdict` rejected already keep their reason."""
        verdict = verdict or Verdict(batch.rows.num_rows)
        columns = self._ids(batch, verdict)
        columns["occurred_us"] = self._times(batch, verdict)
        columns["event_type"] = self._types(batch, verdict)
        columns["value"] = self._values(batch, verdict)
        columns["event_id"], columns["identity"] = self._identity(batch)
        ordered = {name: columns[name] for name in STAGED}
        return Prepared(take_good(ordered, verdict), batch, verdict)

    def _ids(self, batch: RowBatch, verdict: Verdict) -> dict[str, Array]:
        ids = {name: text_of(self.columns.cells(batch, name)) for name in ("user_id", "session_id", "item_id")}
        verdict.reject(mask_of(pc.is_null(ids["item_id"])), "missing_item_id")
        nobody = mask_of(pc.and_(pc.is_null(ids["user_id"]), pc.is_null(ids["session_id"])))
        verdict.reject(nobody, "missing_user_id" if not self.columns.has("session_id") else "missing_user_and_session")
        for name, values in ids.items():
            check_ids(values, name, verdict)
        return ids

    def _times(self, batch: RowBatch, verdict: Verdict) -> Array:
        cells = self.columns.cells(batch, "occurred_at")
        times = self.times.read(cells)
        missing = _is_empty(cells)
        verdict.reject(missing, "missing_occurred_at")
        verdict.reject(mask_of(pc.is_null(times)), "invalid_occurred_at")
        latest = self.now + timedelta(seconds=FUTURE_TOLERANCE_S)
        verdict.reject(mask_of(pc.greater(times, pa.scalar(latest, times.type))), "occurred_at_in_the_future")
        verdict.reject(mask_of(pc.less(times, pa.scalar(OCCURRED_AT_MIN, times.type))), "occurred_at_before_1990")
        return times.cast(pa.int64())

    def _types(self, batch: RowBatch, verdict: Verdict) -> Array:
        names = pc.utf8_lower(text_of(self.columns.cells(batch, "event_type"))).dictionary_encode()
        known = pa.array([self.names.get(name) for name in names.dictionary.to_pylist()], pa.string())
        types = known.take(names.indices)
        verdict.reject(mask_of(pc.is_null(names.indices)), "missing_event_type")
        verdict.reject(mask_of(pc.is_null(types)), "unknown_event_type")
        return types

    def _values(self, batch: RowBatch, verdict: Verdict) -> Array:
        numbers, wrong = numbers_of(self.columns.cells(batch, "value"))
        verdict.reject(wrong, "invalid_value")
        return numbers

    def _identity(self, batch: RowBatch) -> tuple[Array, Array]:
        """An id that is a UUID stands as it is; any other text becomes part of what the made id is made of."""
        given = text_of(self.columns.cells(batch, "event_id"))
        is_uuid = pc.match_substring_regex(given, _UUID)
        nothing = pa.scalar(None, pa.string())
        return pc.if_else(is_uuid, given, nothing), pc.if_else(is_uuid, nothing, given)


STAGED = ("event_id", "occurred_us", "user_id", "session_id", "item_id", "event_type", "value", "identity")


def _is_empty(cells: Array) -> Mask:
    empty: Mask = mask_of(pc.is_null(text_of(cells))) if pa.types.is_string(cells.type) else mask_of(pc.is_null(cells))
    return np.asarray(empty)
