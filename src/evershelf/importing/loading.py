"""Carries prepared batches into PostgreSQL: all is staged first, then stored in one transaction or not at all."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from evershelf.importing.mapping import ColumnMap, check_columns
from evershelf.importing.rejects import RejectsFile
from evershelf.importing.report import ImportReport, Progress, ProgressListener, TableReport
from evershelf.importing.rows import Prepared, RowBatch, RowReader
from evershelf.storage import bulk

Shaper = Callable[[RowBatch], Prepared]
_MICROSECONDS = "datetime64[us]"


class Target(StrEnum):
    """The table a feed fills."""

    EVENTS = "events"
    ITEMS = "items"
    USERS = "users"


@dataclass(frozen=True, slots=True)
class Feed:
    """One pass over one file into one table. `columns`: what the file speaks of, checked before and after reading."""

    target: Target
    name: str
    reader: RowReader
    shape: Shaper
    columns: ColumnMap
    fields: tuple[str, ...] = ()  # of items and users: the table's columns that the file speaks of


@dataclass(slots=True)
class Tally:
    """What the passes over the files have seen so far."""

    read: int = 0
    ready: dict[Target, int] = field(default_factory=dict)
    months: set[int] = field(default_factory=set)  # months since 1970 with an event
    steps_s: dict[str, float] = field(default_factory=lambda: {"prepare": 0.0})


async def load(
    database_url: str,
    feeds: Sequence[Feed],
    rejects: RejectsFile,
    *,
    listener: ProgressListener | None = None,
    items_of_events: bool = False,
    notes: tuple[str, ...] = (),
) -> ImportReport:
    """All feeds or none. Raises ImportProblem (bad file) or StorageError (database); the tables are as before then."""
    started = time.perf_counter()
    tally = Tally()
    listener = listener or (lambda _: None)
    try:
        async with bulk.connect(database_url) as connection:
            for feed in feeds:
                await _stage(connection, feed, rejects, tally, listener)
            tally.steps_s["stage"] = time.perf_counter() - started
            counts = await _store(connection, feeds, tally, listener, items_of_events)
    except BaseException:
        rejects.discard()
        raise
    finally:
        rejects.close()
    seconds = time.perf_counter() - started
    tally.steps_s["store"] = seconds - tally.steps_s["stage"]
    return _report(tally, counts, rejects, seconds, notes)


async def _stage(
    connection: bulk.Connection, feed: Feed, rejects: RejectsFile, tally: Tally, listener: ProgressListener
) -> None:
    check_columns(feed.columns, feed.reader.columns, feed.name)
    async with aclosing(_chunks(feed, rejects, tally, listener)) as chunks:
        await bulk.stage(connection, feed.target.value, chunks)
    check_columns(feed.columns, feed.reader.columns, feed.name)  # JSONL shows its columns only while it is read


async def _chunks(
    feed: Feed, rejects: RejectsFile, tally: Tally, listener: ProgressListener
) -> AsyncGenerator[bytes, None]:
    """Batches as COPY text. The next one is prepared in a thread while PostgreSQL takes the one before."""
    step, before = f"read {feed.name}", tally.read
    batches = feed.reader.batches()
    listener(Progress(step, *feed.reader.position(), rows=0))
    ahead = _prepare_ahead(feed, batches, rejects, tally)
    try:
        while (chunk := await ahead) is not None:
            rows = tally.read - before
            ahead = _prepare_ahead(feed, batches, rejects, tally)
            listener(Progress(step, *feed.reader.position(), rows=rows))
            yield chunk
    finally:
        # A thread cannot be cancelled: it ends its one batch. What it says then nobody needs any more.
        await asyncio.gather(ahead, return_exceptions=True)


def _prepare_ahead(
    feed: Feed, batches: Iterator[RowBatch], rejects: RejectsFile, tally: Tally
) -> "asyncio.Task[bytes | None]":
    return asyncio.create_task(asyncio.to_thread(_next_chunk, feed, batches, rejects, tally))


def _next_chunk(feed: Feed, batches: Iterator[RowBatch], rejects: RejectsFile, tally: Tally) -> bytes | None:
    started = time.perf_counter()
    batch = next(batches, None)
    if batch is None:
        return None
    prepared = feed.shape(batch)
    rejects.add(feed.name, batch, prepared.verdict)
    ready = prepared.ready
    tally.read += batch.rows.num_rows + len(batch.unreadable)
    tally.ready[feed.target] = tally.ready.get(feed.target, 0) + ready.num_rows
    if feed.target is Target.EVENTS and ready.num_rows:
        microseconds = ready.column("occurred_us").to_numpy().astype(_MICROSECONDS)
        tally.months.update(np.unique(microseconds.astype("datetime64[M]").astype(np.int64)).tolist())
    chunk = _copy_text(ready)
    tally.steps_s["prepare"] += time.perf_counter() - started
    return chunk


def _copy_text(rows: pa.RecordBatch) -> bytes:
    """CSV as COPY reads it: text always in quotes, so that nothing between two commas is null and "" is empty."""
    sink = pa.BufferOutputStream()
    if rows.num_rows:
        arrow_csv.write_csv(rows, sink, arrow_csv.WriteOptions(include_header=False, quoting_style="needed"))
    return bytes(sink.getvalue())


async def _store(
    connection: bulk.Connection,
    feeds: Sequence[Feed],
    tally: Tally,
    listener: ProgressListener,
    items_of_events: bool,  # noqa: FBT001 - handed through from a keyword
) -> dict[Target, TableReport]:
    targets = {feed.target for feed in feeds}
    counts: dict[Target, TableReport] = {}
    await bulk.ensure_months(connection, sorted(tally.months))
    async with connection.transaction():
        if Target.USERS in targets:
            changed = await bulk.store_users(connection, has_attributes=bool(_fields(feeds, Target.USERS)))
            counts[Target.USERS] = _table(tally, Target.USERS, changed)
        if Target.ITEMS in targets:
            changed = await bulk.store_items(connection, _fields(feeds, Target.ITEMS))
            counts[Target.ITEMS] = _table(tally, Target.ITEMS, changed)
        if items_of_events:
            made = await bulk.store_items_of_events(connection)
            counts[Target.ITEMS] = TableReport(inserted=made)
        if Target.EVENTS in targets:
            ready = tally.ready.get(Target.EVENTS, 0)
            inserted = 0
            listener(Progress("store events", 0, 1, 0))
            async for done, total, stored in bulk.store_events(connection):
                inserted += stored
                listener(Progress("store events", done, total, round(ready * done / total)))
            await bulk.count_events(connection, stored=inserted, duplicates=ready - inserted)
            counts[Target.EVENTS] = TableReport(ready, inserted, 0, ready - inserted)
    await bulk.analyze(connection)
    return counts


def _fields(feeds: Sequence[Feed], target: Target) -> list[str]:
    return sorted({name for feed in feeds if feed.target is target for name in feed.fields})


def _table(tally: Tally, target: Target, changed: bulk.Changed) -> TableReport:
    ready = tally.ready.get(target, 0)
    return TableReport(ready, changed.inserted, changed.updated, ready - changed.inserted - changed.updated)


def _report(
    tally: Tally, counts: dict[Target, TableReport], rejects: RejectsFile, seconds: float, notes: tuple[str, ...]
) -> ImportReport:
    return ImportReport(
        read=tally.read,
        inserted=sum(count.inserted for count in counts.values()),
        updated=sum(count.updated for count in counts.values()),
        duplicates=sum(count.duplicates for count in counts.values()),
        rejected=dict(rejects.counts.most_common()),
        rejects_path=rejects.path,
        seconds=seconds,
        tables={target.value: count for target, count in counts.items()},
        steps_s=tally.steps_s,
        notes=notes,
    )
