"""Connections to PostgreSQL: every statement has a time limit, and every failure a name of our own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

import asyncpg
import orjson

from evershelf.storage.errors import StorageRefused, StorageUnavailable, StorageUnsuitable

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

VERSION_MIN = 15
CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_MS = 5_000
# A write that waits for a lock longer than this is better tried again than left in the queue.
LOCK_TIMEOUT_SHARE = 0.5
# The client gives up shortly after the server should have: a frozen server sends no time-out of its own.
CLIENT_GRACE_S = 0.5
# How long to wait for a free connection of the pool, and for a used one to be made clean.
ACQUIRE_TIMEOUT_S = 5.0

# The data themselves are at fault: wrong values, broken constraints, text that cannot be stored.
_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.UntranslatableCharacterError,
)
_UNAVAILABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


async def open_pool(
    url: str,
    *,
    size_min: int = 1,
    size_max: int = 10,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
) -> Pool:
    """An open pool on PostgreSQL >= 15: UTC, jsonb as Python values, statement and lock time-outs on every connection.

    Raises StorageUnavailable within about `connect_timeout_s`, or StorageUnsuitable for a server that is too old.
    """
    with translated():
        pool: Pool = asyncpg.create_pool(
            url,
            min_size=size_min,
            max_size=size_max,
            init=_prepare,
            reset=_leave_as_it_is,
            timeout=connect_timeout_s,
            command_timeout=statement_timeout_ms / 1_000 + CLIENT_GRACE_S,
            server_settings=_limits(statement_timeout_ms),
        )
        try:
            async with asyncio.timeout(connect_timeout_s + CLIENT_GRACE_S):
                await pool
        except BaseException:
            pool.terminate()
            raise
    return pool


async def connect(
    url: str, *, command_timeout_s: float | None = STATEMENT_TIMEOUT_MS / 1_000 + CLIENT_GRACE_S
) -> "asyncpg.Connection[asyncpg.Record]":
    """A single connection, with the same care as the pool's. The caller closes it."""
    with translated():
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=command_timeout_s,
            server_settings=_limits(STATEMENT_TIMEOUT_MS),
        )
        try:
            await _prepare(connection)
        except BaseException:
            connection.terminate()
            raise
    return connection


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection inside a transaction that is committed at the end of the block; errors come out translated."""
    with translated():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection, connection.transaction():
            yield connection


@asynccontextmanager
async def reading(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for single statements; errors come out translated."""
    with translated():
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            yield connection


@contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's errors into ours; everything that is not the data's fault counts as unavailable."""
    try:
        yield
    except _REFUSED as error:
        raise StorageRefused(_describe(error)) from error
    except _UNAVAILABLE as error:
        raise StorageUnavailable(_describe(error)) from error


def _describe(error: Exception) -> str:
    # The DETAIL of a server's error quotes values of rows; the message itself does so only of data that are at fault,
    # after a colon.
    told = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {told.partition(': ')[0] if isinstance(error, asyncpg.DataError) else told}"


def _limits(statement_timeout_ms: int) -> dict[str, str]:
    return {
        "application_name": "evershelf",
        "timezone": "UTC",
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(int(statement_timeout_ms * LOCK_TIMEOUT_SHARE)),
        "idle_in_transaction_session_timeout": str(statement_timeout_ms * 2),
    }


async def _leave_as_it_is(connection: Connection) -> None:
    """Nothing here changes a session, so none has to be set back after every use, which costs a round trip."""


async def _prepare(connection: Connection) -> None:
    version = connection.get_server_version().major
    if version < VERSION_MIN:
        raise StorageUnsuitable(f"PostgreSQL {version} is too old: Evershelf needs {VERSION_MIN} or newer")
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode, decoder=orjson.loads)


def _encode(value: object) -> str:
    return orjson.dumps(value).decode()


def affected(status: str) -> int:
    """The number of rows in a command's status: 3 for `UPDATE 3`, `INSERT 0 3` and `MERGE 3`."""
    return int(status.rpartition(" ")[2])
