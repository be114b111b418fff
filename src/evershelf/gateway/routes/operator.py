"""What the operator's routes share: who may call, and how PostgreSQL is asked while it may be away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Query

from evershelf.contracts.keys import Scope, StoredKey
from evershelf.contracts.problems import ProblemType
from evershelf.gateway.auth import require
from evershelf.gateway.parts import Parts
from evershelf.gateway.problems import ProblemError
from evershelf.storage.errors import StorageError, StorageRefused
from evershelf.storage.postgres import Pool

PAGE_MAX = 200
AWAY = "PostgreSQL is away: this is what this gateway has in memory."
# Statement time-outs that one request may take: for a free connection, and for its one or two statements.
WAITS_MAX = 3

Operator = Annotated[StoredKey, Depends(require(Scope.ADMIN))]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
T = TypeVar("T")


async def stored(parts: Parts, ask: Callable[[Pool], Awaitable[T]]) -> T:
    """What PostgreSQL answers. Raises ProblemError when it is away, and when it refuses the data."""
    try:
        return await _asked(parts, ask)
    except StorageRefused as error:
        raise ProblemError(ProblemType.INVALID_REQUEST, f"PostgreSQL refused the data: {error}") from error
    except (StorageError, TimeoutError) as error:
        raise ProblemError(ProblemType.DATABASE_UNAVAILABLE, "PostgreSQL did not answer in time.") from error


async def stored_if_up(parts: Parts, ask: Callable[[Pool], Awaitable[T]]) -> T | None:
    """What PostgreSQL answers, or None where it is away or fails: the caller tells what memory has."""
    try:
        return await _asked(parts, ask)
    except (StorageError, TimeoutError, ProblemError):
        return None


async def _asked(parts: Parts, ask: Callable[[Pool], Awaitable[T]]) -> T:
    if (pool := parts.database.pool) is None:
        raise ProblemError(ProblemType.DATABASE_UNAVAILABLE, "PostgreSQL cannot be reached.")
    async with asyncio.timeout(WAITS_MAX * parts.settings.gateway_database_timeout_ms / 1_000):
        return await ask(pool)


def not_found(subject: str) -> ProblemError:
    """The problem to raise where there is no such thing."""
    return ProblemError(ProblemType.NOT_FOUND, f"There is no {subject}.")
