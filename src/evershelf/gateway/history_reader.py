"""Reads histories from PostgreSQL: those that several requests need at a time in one query, the newest need first."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeAlias

from evershelf.contracts.events import EventType
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.outside import Clock
from evershelf.gateway.settings import GatewaySettings
from evershelf.policy.call_time import CallTime, observed, p50_ms
from evershelf.storage.errors import StorageError
from evershelf.storage.history import read_histories

READS_MAX = 256
BATCH_MAX = 64
QUERIES_MAX = 2

Key: TypeAlias = tuple[str | None, str | None]  # (user_id, None) or (None, session_id)
Interactions: TypeAlias = Iterable[tuple[str, EventType, float]]
# What went wrong, or None once the history has been taken in.
Read: TypeAlias = "asyncio.Future[str | None]"


class HistoryReader:
    """At most READS_MAX histories wait, at most QUERIES_MAX queries run: a query goes out at once while one may.

    What comes meanwhile goes together in the next one. `take_in` gets each history with the time (monotonic) at which
    it was asked for.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        database: DatabaseLink,
        clock: Clock,
        take_in: Callable[[Key, Interactions, float], None],
    ) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._take_in = take_in
        self._reads: dict[Key, Read] = {}
        self._collecting: list[Key] = []
        self._queries: set[asyncio.Task[None]] = set()
        self._times = CallTime()

    @property
    def p50_ms(self) -> float:
        """What a query usually takes; 0 while nothing is known."""
        return p50_ms(self._times, now_s=self._clock.monotonic_s())

    def read(self, key: Key) -> Read:
        """The read of this history that is under way, or a new one; it goes on when nobody waits for it any more."""
        if (under_way := self._reads.get(key)) is not None:
            return under_way
        read: Read = asyncio.get_running_loop().create_future()
        if self._database.pool is None:
            read.set_result("the database is not connected")
        elif len(self._reads) >= READS_MAX:
            read.set_result(f"{READS_MAX} histories are being read already")
        else:
            self._reads[key] = read
            self._collecting.append(key)
            self._start_queries()
        return read

    async def close(self) -> None:
        """Ends the queries under way."""
        self._collecting.clear()
        for query in self._queries:
            query.cancel()
        if self._queries:
            await asyncio.wait(self._queries)

    def _start_queries(self) -> None:
        while self._collecting and len(self._queries) < QUERIES_MAX:
            keys = self._collecting[-BATCH_MAX:]
            del self._collecting[-BATCH_MAX:]
            query = asyncio.create_task(self._query(keys))
            self._queries.add(query)
            query.add_done_callback(self._ended)

    async def _query(self, keys: list[Key]) -> None:
        trouble: str | None = "the reading was ended"
        asked_at_s, limits = self._clock.monotonic_s(), self._settings
        users, sessions = [user for user, _ in keys if user is not None], [each for _, each in keys if each is not None]
        try:
            if (pool := self._database.pool) is None:
                trouble = "the database is not connected"
                return
            async with asyncio.timeout(limits.gateway_database_timeout_ms / 1_000):
                found = await read_histories(pool, users, sessions, limits.gateway_history_interactions_max)
            for history in found:
                self._take_in((history.user_id, history.session_id), history.interactions, asked_at_s)
            now_s, trouble = self._clock.monotonic_s(), None
            self._times = observed(self._times, (now_s - asked_at_s) * 1_000, now_s=now_s)
        except (StorageError, TimeoutError) as error:
            trouble = f"{type(error).__name__}: {error}"
        finally:
            for key in keys:
                read = self._reads.pop(key)
                if not read.done():
                    read.set_result(trouble)

    def _ended(self, query: "asyncio.Task[None]") -> None:
        self._queries.discard(query)
        if not query.cancelled():
            self._start_queries()
