"""What importing a data set consists of, and the pieces that data sets share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from evershelf.importing.arrow import Array
from evershelf.importing.events import EventShaper
from evershelf.importing.items import ItemShaper, UserShaper
from evershelf.importing.loading import Feed, Target
from evershelf.importing.mapping import ColumnMap
from evershelf.importing.rows import Prepared, RowBatch, RowReader, Verdict
from evershelf.importing.times import TimeReader

# Adds columns to a batch and rejects rows by rules of the data set's own.
Cleaning = Callable[[RowBatch, Verdict], RowBatch]


@dataclass(frozen=True, slots=True)
class Plan:
    """The passes over a data set's files. `notes` tell the reader of the summary what was made up."""

    feeds: tuple[Feed, ...]
    notes: tuple[str, ...] = ()
    items_of_events: bool = False


def event_feed(
    path: Path, reader: RowReader, fields: Mapping[str, str], now: datetime, *, zone: str = "UTC", clean: Cleaning
) -> Feed:
    """A feed of events whose rows are cleaned first; the rejects file shows them as they were read."""
    shaper = EventShaper(ColumnMap(fields), TimeReader(zone=zone), now)

    def shape(batch: RowBatch) -> Prepared:
        verdict = Verdict(batch.rows.num_rows)
        return shaper(clean(batch, verdict), verdict)

    return Feed(Target.EVENTS, path.name, reader, shape, ColumnMap({}))


def item_feed(
    path: Path, reader: RowReader, fields: Mapping[str, str], *, attributes: tuple[str, ...] = (), clean: Cleaning
) -> Feed:
    """A feed of items whose rows are cleaned first."""
    shaper = ItemShaper(ColumnMap(fields), TimeReader, attributes=attributes)

    def shape(batch: RowBatch) -> Prepared:
        verdict = Verdict(batch.rows.num_rows)
        return shaper(clean(batch, verdict), verdict)

    return Feed(Target.ITEMS, path.name, reader, shape, ColumnMap({}), shaper.fields())


def user_feed(path: Path, reader: RowReader, user_id: str, attributes: Mapping[str, str]) -> Feed:
    """A feed of users; `attributes` maps an attribute's name to its column."""
    shaper = UserShaper(ColumnMap({"user_id": user_id}), tuple(attributes))
    columns = ColumnMap({"user_id": user_id, **attributes})

    def shape(batch: RowBatch) -> Prepared:
        named = {name: batch.rows.column(column) for name, column in attributes.items()}
        return shaper(with_columns(batch, {**named, user_id: batch.rows.column(user_id)}, only=True))

    return Feed(Target.USERS, path.name, reader, shape, columns, ("attributes",))


def as_it_is(batch: RowBatch, _: Verdict) -> RowBatch:
    """No cleaning."""
    return batch


def with_columns(batch: RowBatch, columns: Mapping[str, Array], *, only: bool = False) -> RowBatch:
    """The batch with columns added or replaced; `only`: without any other."""
    kept = {} if only else dict(zip(batch.rows.schema.names, batch.rows.columns, strict=True))
    merged = {**kept, **columns}
    return replace(batch, rows=pa.RecordBatch.from_arrays(list(merged.values()), names=list(merged)))
