"""Decisions in PostgreSQL: the record of each answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from uuid import UUID

from pydantic import JsonValue

from evershelf.contracts.recommendations import Reason, Source
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
    if not decisions:
        return 0
    months = {(at.year, at.month) for at in (decision.decided_at.astimezone(UTC) for decision in decisions)}
    async with reading(pool) as connection:
        await connection.execute(
            sql("decisions.ensure_partitions"), [datetime(year, month, 1, tzinfo=UTC) for year, month in sorted(months)]
        )
    async with transaction(pool) as connection:
        return affected(await connection.execute(sql("decisions.store"), [_row(decision) for decision in decisions]))


async def get_decision(pool: Pool, recommendation_id: UUID) -> Decision | None:
    """The decision, or None."""
    async with reading(pool) as connection:
        row = await connection.fetchrow(sql("decisions.get"), recommendation_id)
    if row is None:
        return None
    values = dict(row) | {"source": Source(row["source"]), "reason": Reason(row["reason"])}
    return Decision(**values | {"item_ids": tuple(row["item_ids"])})


def _row(decision: Decision) -> dict[str, object]:
    # Not `asdict`, which copies deeply and cannot copy every kind of mapping.
    row = {field.name: getattr(decision, field.name) for field in fields(decision)}
    return row | {"record": dict(decision.record)}
