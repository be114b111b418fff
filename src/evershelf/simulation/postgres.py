"""A PostgreSQL of the simulation, at the driver's boundary: the gateway's own storage code and SQL names run on it.

It keeps what is committed, rolls back what is not, and fails in every way that its `weather` asks for.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import asyncpg

from evershelf.simulation.faults import Fault, Weather
from evershelf.simulation.tables import STATEMENTS, Tables
from evershelf.simulation.virtual_time import PROCESS, Process
from evershelf.storage.postgres import translated
from evershelf.storage.queries import sql
from evershelf.storage.schema import expected_version

ANSWER_S = 0.001
SLOW_S = (0.05, 0.9)
COMMAND_TIMEOUT_S = 2.5
T = TypeVar("T")


class UnknownStatementError(Exception):
    """The gateway asks something that this database was never taught: teach it in tables.py."""


@dataclass(eq=False)
class SimulatedPostgres:
    """The server: its tables outlive every gateway, its connections do not."""

    tables: Tables
    weather: Weather
    connections: set["SimulatedConnection"] = field(default_factory=set)
    plants: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # statements that a planted bug replaces

    async def connect(self, url: str, **_: object) -> "SimulatedConnection":
        """As storage.postgres.connect: raises StorageUnavailable, or hangs."""
        del url
        with translated():
            await self.answer(None)
        return SimulatedConnection(self)

    async def open_pool(self, url: str, **options: Any) -> "SimulatedPool":
        """As storage.postgres.open_pool."""
        del url
        with translated():
            await self.answer(None)
        return SimulatedPool(self, options.get("size_max", 8))

    async def answer(self, connection: "SimulatedConnection | None") -> None:
        """Takes the time of one round trip; raises what the weather holds."""
        weather = self.weather
        if connection is not None and connection.is_lost:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        if weather.strikes(Fault.POSTGRES_DOWN) or weather.strikes(Fault.ALONE):
            if connection is not None:
                connection.lose()
                raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
            raise ConnectionRefusedError(111, "nobody listens")
        if weather.strikes(Fault.POSTGRES_FROZEN):
            await self._no_answer(connection)
        if connection is None and weather.strikes(Fault.POSTGRES_FULL_HOUSE):
            raise asyncpg.TooManyConnectionsError("sorry, too many clients already")
        if connection is not None and weather.strikes(Fault.POSTGRES_FLAKY):
            raise asyncpg.DeadlockDetectedError("deadlock detected")
        if weather.strikes(Fault.POSTGRES_SLOW):
            after_s = weather.between(*SLOW_S)
            weather.lingers(Fault.POSTGRES_SLOW, after_s)
        else:
            after_s = weather.between(0.5, 2.0) * ANSWER_S
        await asyncio.sleep(after_s)
        if connection is not None and connection.is_lost:  # meanwhile
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    async def _no_answer(self, connection: "SimulatedConnection | None") -> None:
        lost = connection.lost if connection is not None else asyncio.Event()
        with suppress(TimeoutError):
            await asyncio.wait_for(lost.wait(), COMMAND_TIMEOUT_S)
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        raise TimeoutError

    def forget(self, process: Process) -> None:
        """The process is gone: what it had not committed is rolled back."""
        for connection in self._in_order():
            if connection.process is process:
                connection.lose()

    def notify(self) -> None:
        """Tells all who listen that items have changed."""
        if self.weather.strikes(Fault.NOTIFICATION_LOST):
            return
        for connection in self._in_order():
            connection.tell()

    def _in_order(self) -> list["SimulatedConnection"]:
        """The connections as they were opened: a set of objects has no order that a seed could give again."""
        return sorted(self.connections, key=lambda each: each.number)


class SimulatedConnection:
    """What the gateway uses of an asyncpg connection. Changes are undone unless their transaction is committed."""

    def __init__(self, server: SimulatedPostgres) -> None:
        self._server = server
        self._undo: list[Callable[[], None]] | None = None
        self._listeners: list[Callable[..., None]] = []
        self._loop = asyncio.get_running_loop()
        self.number = server.tables.next_number()
        self.process = PROCESS.get()
        self.is_lost = False
        self.lost = asyncio.Event()
        server.connections.add(self)

    def lose(self) -> None:
        """The connection breaks; an open transaction is rolled back."""
        self.is_lost = True
        self.lost.set()
        self._roll_back()
        self._server.connections.discard(self)

    terminate = lose

    async def close(self) -> None:
        """Says good-bye."""
        self.lose()

    async def add_listener(self, channel: str, notified: Callable[..., None]) -> None:
        """Calls `notified` at every notification."""
        del channel
        await self._server.answer(self)
        self._listeners.append(notified)

    def tell(self) -> None:
        """A notification has come."""
        for notified in self._listeners:
            self._loop.call_later(ANSWER_S, notified)

    async def execute(self, statement: str, *arguments: Any) -> str:
        """The command's status."""
        return f"DONE {await self._run(statement, arguments) or 0}"

    async def fetch(self, statement: str, *arguments: Any) -> Sequence[Any]:
        """All rows."""
        rows: Sequence[Any] = await self._run(statement, arguments)
        return rows

    async def fetchrow(self, statement: str, *arguments: Any) -> Any:
        """The first row."""
        return await self._run(statement, arguments)

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        """The first column of the first row."""
        if statement == sql("schema.current_version"):
            await self._server.answer(self)
            return expected_version()
        return await self._run(statement, arguments)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commits at the end of the block; the answer to the commit may get lost on its way."""
        if self._undo is not None:  # a savepoint
            yield
            return
        await self._server.answer(self)
        self._undo = []
        try:
            yield
            await self._server.answer(self)
        except BaseException:
            self._roll_back()
            raise
        changed, self._undo = bool(self._undo), None
        if changed and self._server.weather.strikes(Fault.POSTGRES_COMMIT_UNTOLD):
            self.lose()
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    def _roll_back(self) -> None:
        undo, self._undo = self._undo, None
        for step in reversed(undo or []):
            step()

    async def _run(self, statement: str, arguments: Sequence[Any]) -> Any:
        await self._server.answer(self)
        name = _names().get(statement)
        if name is None:
            raise UnknownStatementError(statement.partition("\n")[0])
        undo: list[Callable[[], None]] = []
        outcome = self._server.plants.get(name, STATEMENTS[name])(self._server.tables, undo, *arguments)
        if self._undo is not None:
            self._undo += undo
        return outcome


class SimulatedPool:
    """What the gateway uses of an asyncpg pool."""

    def __init__(self, server: SimulatedPostgres, size_max: int) -> None:
        self._server = server
        self._free = asyncio.Semaphore(size_max)
        self._used: dict[int, SimulatedConnection] = {}
        self._closed = False

    @asynccontextmanager
    async def acquire(self, *, timeout: float | None = None) -> AsyncIterator[SimulatedConnection]:  # noqa: ASYNC109
        """A connection of the pool, or TimeoutError."""
        if self._closed:
            raise asyncpg.InterfaceError("pool is closed")
        if self._free.locked():
            await asyncio.wait_for(self._free.acquire(), timeout)
        else:  # at once, without a task and a timer for it
            await self._free.acquire()
        try:
            await self._server.answer(None)
            connection = SimulatedConnection(self._server)
            self._used[connection.number] = connection
            try:
                yield connection
            finally:
                del self._used[connection.number]
                connection.lose()
        finally:
            self._free.release()

    def terminate(self) -> None:
        """Cuts off who uses it."""
        self._closed = True
        for connection in list(self._used.values()):
            connection.lose()

    async def close(self) -> None:
        """Cuts off, after a moment."""
        await asyncio.sleep(ANSWER_S)
        self.terminate()


@cache
def _names() -> dict[str, str]:
    """The name of each statement by its text."""
    return {sql(name): name for name in STATEMENTS}
