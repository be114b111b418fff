"""Decisions in PostgreSQL: the record of each answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import orjson
from pydantic import JsonValue

from evershelf.contracts.recommendations import Reason, Source
from evershelf.storage.errors import StorageRefused
from evershelf.storage.postgres import Pool, affected, reading, transaction
from evershelf.storage.queries import sql


@dataclass(frozen=True, slots=True)
class Decision:
    """One answer as given; `record` holds attempts, scores, sources and timing."""

    recommendation_id: UUID
    decided_at: datetime
    placement: str
    user_id: str | None
    session_id: str | None
    source: Source
    reason: Reason
    degraded: bool
    model_version: str | None
    snapshot_version: str
    item_ids: tuple[str, ...]
    record: Mapping[str, JsonValue]


async def store_decisions(pool: Pool, decisions: Sequence[Decision]) -> int:
    """Writes the decisions, all or nothing; returns how many were new. Raises StorageRefused or StorageUnavailable."""
    return await store_encoded(pool, [orjson.dumps(decision, default=dict) for decision in decisions])


async def store_encoded(pool: Pool, rows: Sequence[bytes]) -> int:
    """As `store_decisions`, of decisions that are JSON already."""
    if not rows:
        return 0
    try:
        return await _store(pool, rows)
    except StorageRefused:  # the first ones of a month lack its partition: make sure, and ask once more
        months = _months(rows)
    async with reading(pool) as connection:
        await connection.execute(sql("decisions.ensure_partitions"), months)
    return await _store(pool, rows)


async def _store(pool: Pool, rows: Sequence[bytes]) -> int:
    text = b",".join(rows).decode(errors="replace")  # what is no text is no JSON either, and PostgreSQL says so
    async with transaction(pool) as connection:
        return affected(await connection.execute(sql("decisions.store"), f"[{text}]"))


def _months(rows: Sequence[bytes]) -> list[datetime]:
    """The months (UTC) in which the decisions fell, oldest first. Raises StorageRefused where one cannot be read."""
    try:
        at = [datetime.fromisoformat(orjson.loads(row)["decided_at"]).astimezone(UTC) for row in rows]
    except (ValueError, LookupError, TypeError) as error:
        raise StorageRefused(f"a decision that cannot be read: {type(error).__name__}") from error
    return [datetime(*month, 1, tzinfo=UTC) for month in sorted({(each.year, each.month) for each in at})]


async def get_decision(pool: Pool, recommendation_id: UUID) -> Decision | None:
    """The decision, or None."""
    async with reading(pool) as connection:
        row = await connection.fetchrow(sql("decisions.get"), recommendation_id)
    return None if row is None else _decision(row)


@dataclass(frozen=True, slots=True)
class DecisionSearch:
    """Which decisions are wanted: all of what is set, decided in [since, before), the newest `limit`."""

    since: datetime
    before: datetime
    limit: int
    user_id: str | None = None
    session_id: str | None = None
    placement: str | None = None
    source: Source | None = None
    reason: Reason | None = None
    degraded: bool | None = None

    def wants(self, decision: Decision) -> bool:
        """Whether the decision is among them."""
        return (
            (self.user_id is None or decision.user_id == self.user_id)
            and (self.session_id is None or decision.session_id == self.session_id)
            and (self.placement is None or decision.placement == self.placement)
            and (self.source is None or decision.source is self.source)
            and (self.reason is None or decision.reason is self.reason)
            and (self.degraded is None or decision.degraded is self.degraded)
            and self.since <= decision.decided_at < self.before
        )


async def search_decisions(pool: Pool, wanted: DecisionSearch) -> list[Decision]:
    """Newest first."""
    async with reading(pool) as connection:
        rows = await connection.fetch(
            sql("decisions.search"),
            *(wanted.user_id, wanted.session_id, wanted.placement, wanted.source, wanted.reason, wanted.degraded),
            *(wanted.since, wanted.before, wanted.limit),
        )
    return [_decision(row) for row in rows]


def _decision(row: asyncpg.Record) -> Decision:
    values = dict(row) | {"source": Source(row["source"]), "reason": Reason(row["reason"])}
    return Decision(**values | {"item_ids": tuple(row["item_ids"])})
