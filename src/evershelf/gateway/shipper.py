"""The shipper: moves events and decisions from the spool to PostgreSQL, each counted once, whatever fails meanwhile."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from evershelf.contracts.events import Event
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.outside import Outside
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.spool import Spool
from evershelf.gateway.spool_file import SpooledEvent
from evershelf.storage.decisions import store_encoded
from evershelf.storage.errors import StorageRefused
from evershelf.storage.events import DeadEvent, bury_events, store_events
from evershelf.storage.postgres import Pool

IDLE_S = 0.1
BACKOFF_S_MIN = 0.1
# While it backs off, the shipper looks this often whether the database has come back.
WATCH_S = 0.25
SHIP_TIMEOUT_S = 60.0
# So long after something was shipped, an idle shipper lets the spool's journal go: it still holds what was shipped.
TIDY_AFTER_S = 5.0
DECISIONS_A_BATCH = 200
FULL_BATCH = 200  # so many left the spool in one go: there are more, most likely
REASON_UNREADABLE = "unreadable: written to the spool by another version"
REASON_CONFLICT = "conflict: another event with this event_id was stored first"


@dataclass(slots=True)
class _Refusal:
    """An event that PostgreSQL has refused when it stood alone, and when to try it again."""

    attempts: int
    due_s: float
    reason: str


class Shipper:
    """A background task: read the oldest, store them, mark them as shipped, again.

    A crash between storing and marking sends a batch twice, which storing tolerates. Waiting after failures follows
    "full jitter": a random share of an exponentially growing limit (Brooker, Exponential Backoff And Jitter, 2015).
    """

    def __init__(
        self,
        spool: Spool,
        database: DatabaseLink,
        settings: GatewaySettings,
        *,
        outside: Outside | None = None,
    ) -> None:
        self._spool = spool
        self._database = database
        self._settings = settings
        self._outside = outside or Outside()
        self._log = structlog.get_logger()
        self._task: asyncio.Task[None] | None = None
        self._refused: dict[int, _Refusal] = {}  # by sequence; never more than one batch of them
        self._tidy_due_s: float | None = None  # when the spool's journal is to be emptied, if something left it
        self.failures_in_a_row = 0
        self.last_error: str | None = None
        self.last_cause: str | None = None  # its kind, which tells nothing of the data
        self.decisions_lost = 0

    async def start(self) -> None:
        """Starts shipping; the spool has to be started already."""
        self._task = asyncio.create_task(self._run(), name="shipper")

    async def close(self) -> None:
        """Stops at once. What is not marked as shipped stays in the spool."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def ship_once(self, pool: Pool) -> int:
        """Ships one batch of events and one of decisions; returns how many left the spool.

        Raises StorageError or SpoolError, and then has marked nothing that is not in PostgreSQL.
        """
        left = 0
        if self._spool.counts().pending:
            left += await self._ship_events(pool)
        if self._spool.counts().decisions:
            left += await self._ship_decisions(pool)
        await self._tidy(left)
        return left

    async def _tidy(self, left: int) -> None:
        now_s = self._outside.clock.monotonic_s()
        if left:
            self._tidy_due_s = self._tidy_due_s or now_s + TIDY_AFTER_S
        elif self._tidy_due_s is not None and now_s >= self._tidy_due_s:
            await self._spool.tidy()
            self._tidy_due_s = None

    async def _run(self) -> None:
        while True:
            if (pool := self._database.pool) is None:
                await self._database.wait_connected()
                continue
            try:
                async with asyncio.timeout(SHIP_TIMEOUT_S):
                    left = await self.ship_once(pool)
            except Exception as error:  # noqa: BLE001 - boundary to a source: shipping must outlive whatever it meets
                await self._back_off(error)
            else:
                self._succeed()
                # Small batches cost as much as large ones: what is left grows while the shipper rests.
                await asyncio.sleep(0 if left >= FULL_BATCH else IDLE_S)

    async def _ship_events(self, pool: Pool) -> int:
        batch = await self._spool.pending(self._settings.gateway_ship_batch_max)
        kept = {each.sequence for each in batch} & self._refused.keys()
        self._refused = {sequence: self._refused[sequence] for sequence in kept}
        readable = [each for each in batch if each.event is not None and self._is_due(each.sequence)]
        shipped, conflicts = await self._store(pool, readable)
        graves = [(each, DeadEvent(None, _text(each), REASON_UNREADABLE)) for each in batch if each.event is None]
        graves += [(each, _grave(each, REASON_CONFLICT)) for each in conflicts]
        graves += [
            (each, _grave(each, refusal.reason, refusal.attempts))
            for each in readable
            if (refusal := self._given_up(each.sequence)) is not None
        ]
        await self._bury(pool, graves)
        await self._spool.shipped([each.sequence for each in shipped])
        return len(shipped) + len(graves)

    async def _bury(self, pool: Pool, graves: Sequence[tuple[SpooledEvent, DeadEvent]]) -> None:
        if graves:
            await bury_events(pool, [dead for _, dead in graves])
            await self._spool.buried([spooled.sequence for spooled, _ in graves])
            self._log.warning("events_buried", count=len(graves), reason=graves[-1][1].reason)

    async def _store(self, pool: Pool, batch: Sequence[SpooledEvent]) -> tuple[list[SpooledEvent], list[SpooledEvent]]:
        """Stores what can be stored: (stored or stored before, in conflict with what is stored).

        A refused batch is halved until the culprit stands alone: p culprits among n cost about 2 p log2(n) calls.
        """
        shipped: list[SpooledEvent] = []
        conflicts: list[SpooledEvent] = []
        todo = [list(batch)] if batch else []
        while todo:
            part = todo.pop()
            try:
                report = await store_events(pool, [each.event for each in part if each.event is not None])
            except StorageRefused as error:
                if len(part) == 1:
                    self._refuse(part[0].sequence, str(error))
                else:
                    todo += [part[len(part) // 2 :], part[: len(part) // 2]]
                continue
            in_conflict = set(report.conflict_ids)
            conflicts += [each for each in part if _event(each).event_id in in_conflict]
            shipped += [each for each in part if _event(each).event_id not in in_conflict]
        return shipped, conflicts

    async def _ship_decisions(self, pool: Pool) -> int:
        spooled = await self._spool.pending_decisions(DECISIONS_A_BATCH)
        rows = [each.body for each in spooled]
        try:
            await store_encoded(pool, rows)
        except StorageRefused as error:
            # A decision is a record, not a promise: one that is refused is counted and let go, after its neighbours.
            await self._store_one_by_one(pool, rows, str(error))
        if spooled:
            await self._spool.decisions_shipped(spooled[-1].sequence)
        return len(spooled)

    async def _store_one_by_one(self, pool: Pool, rows: Sequence[bytes], reason: str) -> None:
        lost = 0
        for row in rows:
            try:
                await store_encoded(pool, [row])
            except StorageRefused:
                lost += 1
        self.decisions_lost += lost
        self._log.warning("decisions_refused", count=lost, reason=reason)

    def _refuse(self, sequence: int, reason: str) -> None:
        attempts = self._refused[sequence].attempts + 1 if sequence in self._refused else 1
        self._refused[sequence] = _Refusal(attempts, self._outside.clock.monotonic_s() + self._wait_s(attempts), reason)

    def _is_due(self, sequence: int) -> bool:
        return sequence not in self._refused or self._outside.clock.monotonic_s() >= self._refused[sequence].due_s

    def _given_up(self, sequence: int) -> _Refusal | None:
        refusal = self._refused.get(sequence)
        return refusal if refusal and refusal.attempts >= self._settings.gateway_ship_attempts_max else None

    def _succeed(self) -> None:
        if self.failures_in_a_row:
            self._log.info("shipping_resumed", failures=self.failures_in_a_row)
        self.failures_in_a_row = 0
        self.last_error = self.last_cause = None

    async def _back_off(self, error: Exception) -> None:
        self.failures_in_a_row += 1
        self.last_cause = type(error).__name__
        self.last_error = f"{self.last_cause}: {error}"
        if self.failures_in_a_row == 1:
            self._log.warning("shipping_failed", error=self.last_error)
        wait_until_s = self._outside.clock.monotonic_s() + self._wait_s(self.failures_in_a_row)
        # "Away, then back" ends the wait at once: what was in the way is gone. A database that answers and still fails
        # (full, read-only) is given the whole of it.
        was_away = not await self._answers()
        while (left_s := wait_until_s - self._outside.clock.monotonic_s()) > 0:
            await asyncio.sleep(min(left_s, WATCH_S))
            answers = await self._answers()
            if answers and was_away:
                return
            was_away = was_away or not answers

    async def _answers(self) -> bool:
        pool = self._database.pool
        if pool is None:
            return False
        with suppress(Exception):  # boundary to a source: any failure to answer means the same here
            async with asyncio.timeout(WATCH_S), pool.acquire() as connection, connection.transaction():
                return True
        return False

    def _wait_s(self, attempts: int) -> float:
        limit_s = min(self._settings.gateway_ship_backoff_s_max, BACKOFF_S_MIN * 2.0 ** min(attempts, 32))
        return limit_s * self._outside.random.random()


def _event(spooled: SpooledEvent) -> Event:
    assert spooled.event is not None  # only readable ones are stored
    return spooled.event


def _grave(spooled: SpooledEvent, reason: str, attempts: int = 1) -> DeadEvent:
    event = _event(spooled)
    return DeadEvent(event.event_id, _text(spooled), reason, attempts, event.occurred_at)


def _text(spooled: SpooledEvent) -> str:
    return spooled.body.decode(errors="replace")
