"""Events that PostgreSQL did not take: how many, and why."""

from evershelf.storage.postgres import Pool, reading
from evershelf.storage.queries import sql

LOOKED_AT_MAX = 100_000
REASONS_MAX = 50


async def count_dead_letters(pool: Pool) -> dict[str, int]:
    """The newest LOOKED_AT_MAX dead letters by reason, the most frequent REASONS_MAX reasons."""
    async with reading(pool) as connection:
        rows = await connection.fetch(sql("dead_letters.count_by_reason"), LOOKED_AT_MAX, REASONS_MAX)
    return {row["reason"]: row["count"] for row in rows}
