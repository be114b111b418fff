"""After the load: whether every acknowledged event is in PostgreSQL, once the spool has been shipped."""

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from uuid import UUID

import asyncpg

from evershelf.drills.rig import Rig

SHIP_TIMEOUT_S = 90.0
POLL_S = 0.25
_FOUND = """
SELECT event_id FROM events WHERE user_id = $1
UNION ALL
SELECT event_id FROM dead_letter_events WHERE position($1 in body) > 0
"""


async def missing_events(rig: Rig, user: str, acknowledged: Collection[UUID]) -> tuple[int, int]:
    """(how many acknowledged events are neither stored nor among the dead letters, how many are there twice).

    Waits for what is still on its way, at most SHIP_TIMEOUT_S.
    """
    give_up_at_s = time.monotonic() + SHIP_TIMEOUT_S
    missing, twice = len(acknowledged), 0
    while missing and time.monotonic() < give_up_at_s:
        with suppress(OSError, asyncpg.PostgresError):
            connection = await asyncpg.connect(rig.postgres.url, timeout=SHIP_TIMEOUT_S)
            try:
                found = [row["event_id"] for row in await connection.fetch(_FOUND, user)]
            finally:
                await connection.close()
            missing, twice = len(set(acknowledged) - set(found)), len(found) - len(set(found))
        await asyncio.sleep(POLL_S if missing else 0)
    return missing, twice
