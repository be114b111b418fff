"""What came of recommendations: answers joined to the events that quote them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from evershelf.policy.attribution import Outcomes
from evershelf.storage.postgres import Pool, reading
from evershelf.storage.queries import sql

GROUPS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class AttributionQuestion:
    """Answers decided in [since, until), and how long after an answer an event still counts for it."""

    since: datetime
    until: datetime
    window: timedelta = timedelta(days=7)


async def outcomes(pool: Pool, question: AttributionQuestion) -> list[Outcomes]:
    """The outcomes of all answers, by every combination of what an answer says of itself; at most GROUPS_MAX."""
    async with reading(pool) as connection:
        rows = await connection.fetch(
            sql("attribution.by_group"), question.since, question.until, question.window, GROUPS_MAX
        )
    return [Outcomes(*row.values()) for row in rows]


async def clicks_by_version(pool: Pool, *, since: datetime) -> dict[str, tuple[int, int]]:
    """By model version: answers since then, and how many of them were clicked."""
    async with reading(pool) as connection:
        rows = await connection.fetch(sql("attribution.clicks_by_version"), since)
    return {row["model_version"]: (row["answers"], row["clicks"]) for row in rows}
