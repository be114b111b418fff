"""The gateway's link to PostgreSQL: connects in the background, notices a loss within a second or two, comes back."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog
from pydantic import SecretStr

from evershelf.contracts.health import DependencyState
from evershelf.gateway.outside import Outside
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.storage.errors import StorageError, StorageUnavailable, StorageUnsuitable
from evershelf.storage.postgres import Pool, translated
from evershelf.storage.schema import read_version

PROBE_EVERY_S = 1.0
BACKOFF_S_MIN = 0.05
BACKOFF_S_MAX = 1.0
CLOSE_TIMEOUT_S = 2.0

_Watch: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
T = TypeVar("T")
log = structlog.get_logger()


class DatabaseLink:
    """Owns the pool. `pool` is None whenever PostgreSQL was last seen away; a query may still fail at any time.

    A connection of its own is probed and listens, so that a pool with all hands full does not look like a loss.
    """

    def __init__(
        self, url: SecretStr | None, settings: GatewaySettings, telemetry: Telemetry, *, outside: Outside | None = None
    ) -> None:
        # An empty variable means the same as none.
        self._url = url.get_secret_value() or None if url is not None else None
        self._settings = settings
        self._telemetry = telemetry
        self._outside = outside or Outside()
        self._listeners: dict[str, Callable[[], None]] = {}
        self._connected = asyncio.Event()
        self._abandoned: set[asyncio.Task[Any]] = set()  # held until they end; the type varies
        self._task: asyncio.Task[None] | None = None
        self.pool: Pool | None = None
        self.state = DependencyState.UNKNOWN
        self.since_s: float | None = None
        self.detail = "not asked yet"

    def listen(self, channel: str, notified: Callable[[], None]) -> None:
        """Calls `notified` at every notification on `channel`; to be said before `start`. Some may be lost."""
        self._listeners[channel] = notified

    async def start(self) -> None:
        """Begins to connect and returns at once."""
        if self._url is None:
            self._become(DependencyState.DOWN, "no database_url is set")
            return
        self._task = asyncio.create_task(self._keep_connected(self._url), name="database")

    async def close(self) -> None:
        """Gives the connections back; those in use are cut off after a moment."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        pool, self.pool = self.pool, None
        if pool is not None:
            await _dispose(pool)

    async def wait_connected(self) -> None:
        """Returns as soon as there is a pool; for ever, if no PostgreSQL is configured."""
        await self._connected.wait()

    async def _keep_connected(self, url: str) -> None:
        failures = 0
        while True:
            began_s = self._outside.clock.monotonic_s()
            try:
                await self._stay_connected(url)
            except StorageError as error:
                self._lose(str(error))
            except Exception as error:  # noqa: BLE001 - the source boundary: whatever it is, the link tries again
                self._telemetry.caught("database", error)
                self._lose(type(error).__name__)
            # Full jitter; after a time of peace, the first attempt comes quickly.
            failures = 0 if self._outside.clock.monotonic_s() - began_s > 10 * BACKOFF_S_MAX else failures + 1
            limit_s = min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2.0 ** min(failures, 10))
            await asyncio.sleep(limit_s * self._outside.random.random())

    async def _stay_connected(self, url: str) -> None:
        """Connects, and returns only by raising what ended the connection."""
        timeout_s = self._settings.gateway_database_timeout_ms / 1_000
        watch = await self._within(self._outside.connect(url, command_timeout_s=timeout_s), timeout_s)
        try:
            await self._probe(watch, timeout_s)
            for channel, notified in self._listeners.items():
                with translated():
                    await watch.add_listener(channel, lambda *_, notified=notified: notified())
            self.pool = await self._outside.open_pool(
                url,
                size_max=self._settings.gateway_database_pool_max,
                statement_timeout_ms=self._settings.gateway_database_timeout_ms,
                connect_timeout_s=timeout_s,
            )
            self._become(DependencyState.UP, "connected")
            self._connected.set()
            while True:
                await asyncio.sleep(PROBE_EVERY_S)
                await self._probe(watch, timeout_s)
        finally:
            watch.terminate()

    async def _probe(self, watch: _Watch, timeout_s: float) -> None:
        with translated():
            if await self._within(read_version(watch), timeout_s) is None:
                raise StorageUnsuitable("the database has no schema yet: run `evershelf migrate`")

    async def _within(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """The outcome, or StorageUnavailable in time: work that is late is abandoned, for its end may never come."""
        task = asyncio.create_task(work)
        self._abandoned.add(task)
        task.add_done_callback(self._forget)
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout_s)
        finally:
            task.cancel()
        if not done:
            raise StorageUnavailable(f"PostgreSQL gave no answer within {timeout_s:g} s")
        return task.result()

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen: nobody else reads that of an abandoned one

    def _lose(self, detail: str) -> None:
        self._connected.clear()
        pool, self.pool = self.pool, None
        if pool is not None:
            pool.terminate()  # a query that waits for a dead server ends now rather than at its time-out
        self._become(DependencyState.DOWN, detail)

    def _become(self, state: DependencyState, detail: str) -> None:
        self.detail = detail
        if state is not self.state:
            self.state, self.since_s = state, self._outside.clock.unix_s()
            log.info("database_changed", state=state.value, detail=detail)


async def _dispose(pool: Pool) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await pool.close()
            return
    pool.terminate()
