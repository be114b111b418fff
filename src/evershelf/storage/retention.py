"""Keeps what grows in bounds: months that are no longer kept are dropped whole, the next one's tables made ahead."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

from evershelf.storage.audit import write_audit
from evershelf.storage.postgres import Connection, affected, connect, translated
from evershelf.storage.queries import sql
from evershelf.storage.schema import PARTITIONED
from evershelf.storage.settings import RetentionSettings

MEASURED = (*PARTITIONED, "dead_letter_events", "audit_log", "items", "users")
STATEMENT_TIMEOUT_MS = 600_000
LOCK_TIMEOUT_MS = 5_000
DEAD_LETTERS_A_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Tidied:
    """What went, and what each table takes on disk now, in bytes."""

    dropped: tuple[str, ...]
    dead_letters: int
    sizes_bytes: Mapping[str, int]


async def tidy(url: str, settings: RetentionSettings, *, now: datetime, actor: str) -> Tidied:
    """Drops what is older than the settings keep; doing it again changes nothing.

    Dropping a month waits LOCK_TIMEOUT_MS at most for those who read the table. Each table's drop and its audit row are
    one transaction; dead letters go DEAD_LETTERS_A_BATCH at a time. Raises StorageUnavailable.
    """
    kept = {"events": settings.retention_events_months, "decisions": settings.retention_decisions_months}
    connection = await connect(url, command_timeout_s=None)
    try:
        with translated():
            dropped: list[str] = []
            for parent in PARTITIONED:
                async with _limited(connection):
                    await connection.execute(sql("retention.make_ahead"), parent)
                    if (months := kept[parent]) is not None:
                        gone = await connection.fetchval(sql("retention.drop_months"), parent, since(now, months))
                        await _tell(connection, actor, parent, gone)
                        dropped += gone
            dead_letters = 0
            if (months := settings.retention_dead_letters_months) is not None:
                dead_letters = await _drop_dead_letters(connection, since(now, months), actor=actor)
            sizes = await connection.fetch(sql("retention.sizes"), list(MEASURED))
    finally:
        await connection.close()
    return Tidied(tuple(dropped), dead_letters, {row["parent"]: row["size_bytes"] for row in sizes})


async def _drop_dead_letters(connection: Connection, before: datetime, *, actor: str) -> int:
    dropped = 0
    while True:
        async with _limited(connection):
            status = await connection.execute(sql("retention.drop_dead_letters"), before, DEAD_LETTERS_A_BATCH)
            await _tell(connection, actor, "dead_letter_events", affected(status))
        dropped += affected(status)
        if affected(status) < DEAD_LETTERS_A_BATCH:
            return dropped


@asynccontextmanager
async def _limited(connection: Connection) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute(sql("schema.limit_transaction"), str(LOCK_TIMEOUT_MS), str(STATEMENT_TIMEOUT_MS))
        yield


async def _tell(connection: Connection, actor: str, table: str, dropped: list[JsonValue] | int) -> None:
    if dropped:
        await write_audit(connection, actor=actor, action="retention.drop", subject=table, detail={"dropped": dropped})


def since(now: datetime, months: int) -> datetime:
    """The beginning of the month that is `months` before that of `now`, in UTC."""
    utc = now.astimezone(UTC)
    year, month = divmod(utc.year * 12 + utc.month - 1 - months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)
