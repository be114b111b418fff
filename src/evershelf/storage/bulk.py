"""Many rows at once: COPY into one connection's temporary tables, then, in a transaction, into the real ones."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

import asyncpg

from evershelf.storage.errors import StorageRefused, StorageUnavailable, StorageUnsuitable
from evershelf.storage.queries import sql

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONNECT_TIMEOUT_S = 10.0
# One statement of a bulk load: a COPY of a whole file, or one slice of it. Far above what is needed, yet an end.
STATEMENT_TIMEOUT_S = 3_600
LOCK_TIMEOUT_S = 30
# About 100,000 staged events: often enough for progress, seldom enough to cost nothing.
SLICE_PAGES = 1_500
_SETTINGS = {
    "application_name": "evershelf import",
    "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "lock_timeout": f"{LOCK_TIMEOUT_S}s",
    "work_mem": "64MB",
    "temp_buffers": "64MB",
    "timezone": "UTC",
}
_COLUMNS = {
    "events": ("event_id", "occurred_us", "user_id", "session_id", "item_id", "event_type", "value", "identity"),
    "items": (
        "item_id", "title", "categories", "price", "currency", "image_url", "page_url", "available", "expires_at",
        "published_at", "tags", "attributes",
    ),
    "users": ("user_id", "attributes"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows of a table that an upsert made or really changed."""

    inserted: int
    updated: int


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Connection]:
    """A connection with empty staging tables. Storage's errors are raised for whatever the database says inside."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=_SETTINGS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StorageUnavailable(f"no connection to the database: {error}") from error
    try:
        await connection.execute(sql("importing.create_staging"))
        yield connection
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError, asyncpg.UndefinedColumnError) as error:
        raise StorageUnsuitable(f"the schema is not this version's ({error}): run `evershelf migrate`") from error
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise StorageRefused(str(error)) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StorageUnavailable(str(error)) from error
    finally:
        connection.terminate()


def staging_columns(table: str) -> tuple[str, ...]:
    """What a row staged for `table` consists of, in order."""
    return _COLUMNS[table]


async def stage(connection: Connection, table: str, chunks: AsyncIterable[bytes]) -> None:
    """Copies CSV text (columns as in `staging_columns`) into the staging table of `table`."""
    await connection.copy_to_table(
        f"staged_{table}", source=chunks, columns=_COLUMNS[table], format="csv", timeout=STATEMENT_TIMEOUT_S
    )


async def ensure_months(connection: Connection, months: Iterable[int]) -> None:
    """Makes the partitions for `months` (counted since 1970-01), each in a transaction of its own.

    Making a partition locks the whole events table; inside the long transaction of a load it would stop every reader.
    An empty partition that a failed load leaves behind does no harm.
    """
    for month in months:
        year, index = divmod(month, 12)
        await connection.execute(sql("importing.ensure_event_month"), datetime(1970 + year, index + 1, 1, tzinfo=UTC))


async def store_events(connection: Connection) -> AsyncIterator[tuple[int, int, int]]:
    """Moves staged events into `events`, slice by slice: yields (pages done, pages in all, events inserted)."""
    pages = int(await connection.fetchval(sql("importing.count_event_pages")))
    for first in range(0, pages, SLICE_PAGES):
        last = min(first + SLICE_PAGES, pages)
        tag = await connection.execute(sql("importing.store_event_pages"), first, last)
        yield last, pages, _affected(tag)


async def count_events(connection: Connection, *, stored: int, duplicates: int) -> None:
    """Moves the counters, in the transaction of the events they count."""
    await connection.execute(sql("events.count_up"), ["stored", "duplicates"], [stored, duplicates])


async def store_items(connection: Connection, columns: Sequence[str]) -> Changed:
    """Upserts staged items; `columns` are those the file speaks of, the others keep what is stored."""
    await connection.execute(sql("importing.lock_items"))
    row = await connection.fetchrow(sql("importing.store_items"), list(columns))
    return _changed(row)


async def store_items_of_events(connection: Connection) -> int:
    """Makes bare items for ids that staged events speak of and the catalog lacks; returns how many."""
    return _affected(await connection.execute(sql("importing.store_items_of_events")))


async def store_users(connection: Connection, *, has_attributes: bool) -> Changed:
    """Upserts staged users; attributes that are stored stay where the file speaks of none."""
    return _changed(await connection.fetchrow(sql("importing.store_users"), has_attributes))


async def analyze(connection: Connection) -> None:
    """Tells the planner about the new rows; without it the first queries after a load may be slow."""
    await connection.execute(sql("importing.analyze"))


def _changed(row: asyncpg.Record | None) -> Changed:
    assert row is not None
    return Changed(inserted=int(row["inserted"]), updated=int(row["updated"]))


def _affected(tag: str) -> int:
    return int(tag.rpartition(" ")[2])
