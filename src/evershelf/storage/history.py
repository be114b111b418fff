"""The newest interactions of a user or session."""

from dataclasses import dataclass
from datetime import datetime

from evershelf.contracts.events import INTERACTIONS, EventType
from evershelf.storage.postgres import Pool, reading
from evershelf.storage.queries import sql

LIMIT_MAX = 1_000


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One interaction of a history."""

    item_id: str
    event_type: EventType
    occurred_at: datetime


async def read_history(pool: Pool, user_id: str | None, session_id: str | None, limit: int) -> list[HistoryRow]:
    """Interactions of the user, and of the session where it was not known whose it is; newest first, max LIMIT_MAX."""
    types = sorted(INTERACTIONS)
    async with reading(pool) as connection:
        rows = await connection.fetch(sql("history.read"), user_id, session_id, types, min(limit, LIMIT_MAX))
    return [HistoryRow(row["item_id"], EventType(row["event_type"]), row["occurred_at"]) for row in rows]
