"""Events into PostgreSQL: each counted once, however often it is sent; what cannot be stored is buried."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from evershelf.contracts.events import OCCURRED_AT_MIN, Event
from evershelf.storage.errors import StorageRefused
from evershelf.storage.postgres import Connection, Pool, affected, reading, transaction
from evershelf.storage.queries import sql

# The same id this close in occurred_at is the same event.
WINDOW_DAYS = 7
# Every month that occurs becomes a partition: these bounds keep their number in bounds.
FUTURE_MAX_DAYS = 1
DEAD_BODY_LENGTH_MAX = 65_536


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What became of a batch: the three numbers add up to its length."""

    stored: int
    duplicates: int
    conflicts: int
    conflict_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that will never be stored: as received, and why; when it happened, as far as that can be read."""

    event_id: UUID | None
    body: str
    reason: str
    attempts: int = 1
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventCounts:
    """The counters: they move in the same transaction as what they count."""

    stored: int
    duplicates: int
    conflicts: int
    dead: int


async def store_events(pool: Pool, events: Sequence[Event]) -> StoreReport:
    """Stores what is new, all or nothing; sending a batch again changes nothing but the counter of duplicates.

    The same id within WINDOW_DAYS of occurred_at is a duplicate (same body) or a conflict (the first stands).
    Raises StorageRefused (halve the batch until the culprit stands alone) or StorageUnavailable (try again).
    """
    if not events:
        return StoreReport(0, 0, 0)
    # Outside the transaction: making a partition locks the parent table, and must not do so for longer than it takes.
    async with reading(pool) as connection:
        await ensure_partitions(connection, events)
    async with transaction(pool) as connection:
        return await write_events(connection, events)


async def ensure_partitions(connection: Connection, events: Sequence[Event]) -> None:
    """Makes the partitions that these events need; raises StorageRefused for a time out of all bounds."""
    newest_allowed = datetime.now(UTC) + timedelta(days=FUTURE_MAX_DAYS)
    times = [event.occurred_at for event in events]
    if min(times) < OCCURRED_AT_MIN or max(times) > newest_allowed:
        raise StorageRefused(f"occurred_at before {OCCURRED_AT_MIN:%Y-%m-%d} or more than a day ahead")
    months = {(time.year, time.month) for time in (t.astimezone(UTC) for t in times)}
    await connection.execute(
        sql("events.ensure_partitions"), [datetime(year, month, 1, tzinfo=UTC) for year, month in sorted(months)]
    )


async def write_events(connection: Connection, events: Sequence[Event]) -> StoreReport:
    """As `store_events`, inside the caller's transaction, with partitions ensured."""
    window = timedelta(days=WINDOW_DAYS)
    times = [event.occurred_at for event in events]
    await connection.execute(sql("events.take_turn"))
    row = await connection.fetchrow(
        sql("events.store"), *_columns(events), window, min(times) - window, max(times) + window
    )
    assert row is not None  # an aggregate always gives a row
    conflicts = len(row["conflict_ids"])
    report = StoreReport(
        stored=row["stored"],
        duplicates=len(events) - row["stored"] - conflicts,
        conflicts=conflicts,
        conflict_ids=tuple(row["conflict_ids"]),
    )
    await _count_up(connection, stored=report.stored, duplicates=report.duplicates, conflicts=report.conflicts)
    return report


async def bury_events(pool: Pool, events: Sequence[DeadEvent]) -> int:
    """Writes dead letters; returns how many were new. Accepts any text: this is the last resort and must not fail.

    What was erased since it happened, or might have been, leaves an empty body.
    """
    async with transaction(pool) as connection:
        await connection.execute(sql("events.take_turn"))  # an erasure is either seen here, or sees what is buried
        status = await connection.execute(
            sql("events.bury"),
            [event.event_id for event in events],
            [_storable(event.body)[:DEAD_BODY_LENGTH_MAX] for event in events],
            [_storable(event.reason)[:DEAD_BODY_LENGTH_MAX] for event in events],
            [event.attempts for event in events],
            [event.occurred_at for event in events],
        )
        buried = affected(status)
        await _count_up(connection, dead=buried)
    return buried


async def count_events(pool: Pool) -> EventCounts:
    """The counters as committed."""
    async with reading(pool) as connection:
        counts = {row["name"]: row["count"] for row in await connection.fetch(sql("events.counters"))}
    return EventCounts(**{name: counts.get(name, 0) for name in ("stored", "duplicates", "conflicts", "dead")})


async def _count_up(connection: Connection, **moved: int) -> None:
    await connection.execute(sql("events.count_up"), list(moved), list(moved.values()))


def _columns(events: Sequence[Event]) -> tuple[list[object], ...]:
    rows = (
        (
            event.event_id,
            event.occurred_at,
            event.user_id,
            event.session_id,
            event.item_id,
            event.event_type.value,
            event.value,
            event.placement,
            event.recommendation_id,
        )
        for event in events
    )
    return tuple(list(column) for column in zip(*rows, strict=True))


def _storable(text: str) -> str:
    # PostgreSQL's text holds neither NUL nor halves of surrogate pairs; both stay visible as escapes.
    return text.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode("utf-8")
