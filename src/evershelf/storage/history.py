"""The newest interactions of users and of sessions."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from evershelf.contracts.events import INTERACTIONS, EventType
from evershelf.storage.postgres import Pool, reading
from evershelf.storage.queries import sql

LIMIT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class History:
    """The history of one user or of one session (the other id is None); Unix seconds, newest first."""

    user_id: str | None
    session_id: str | None
    interactions: tuple[tuple[str, EventType, float], ...]


async def read_histories(pool: Pool, user_ids: Sequence[str], session_ids: Sequence[str], limit: int) -> list[History]:
    """The histories of all these users and sessions, in one query; at most LIMIT_MAX interactions of each."""
    types = sorted(INTERACTIONS)
    async with reading(pool) as connection:
        rows = await connection.fetch(sql("history.read_many"), user_ids, session_ids, types, min(limit, LIMIT_MAX))
    return [History(row["user_id"], row["session_id"], _interactions(row)) for row in rows]


def _interactions(row: "asyncpg.Record") -> tuple[tuple[str, EventType, float], ...]:
    if row["item_ids"] is None:
        return ()
    seen = zip(row["item_ids"], row["event_types"], row["occurred_at_s"], strict=True)
    return tuple((item_id, EventType(event_type), occurred_at_s) for item_id, event_type, occurred_at_s in seen)
