"""Items, users and placements over HTTP: what their owner writes goes straight to PostgreSQL."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import isfinite
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from evershelf.contracts.catalog import BULK_MAX, Item, ItemState, User
from evershelf.contracts.erasures import ErasureReceipt
from evershelf.contracts.keys import Scope, StoredKey
from evershelf.contracts.placements import Placement
from evershelf.contracts.problems import InvalidParameter, ProblemType
from evershelf.gateway.auth import require
from evershelf.gateway.parts import parts_of
from evershelf.gateway.problems import ProblemError, invalid_parameters
from evershelf.gateway.routes.addresses import AnItemId, AUserId
from evershelf.storage import catalog, erasures
from evershelf.storage.errors import StorageRefused, StorageUnavailable
from evershelf.storage.placements import put_placement
from evershelf.storage.postgres import Pool

_holder, _operator = require(Scope.CATALOG), require(Scope.ADMIN)
Holder = Annotated[StoredKey, Depends(_holder)]
Operator = Annotated[StoredKey, Depends(_operator)]
router = APIRouter(tags=["catalog"], dependencies=[Depends(_holder)])
T = TypeVar("T", Item, User)
PAGE_MAX = 1_000
# NUL and halves of surrogate pairs: text in JSON and Python, none in PostgreSQL.
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")
# Statement time-outs that one request may take: for a free connection, and for its one or two statements.
WAITS_MAX = 3


class Bulk(BaseModel):
    """Many at once; each is judged by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: Annotated[list[JsonValue], Field(min_length=1, max_length=BULK_MAX)]


class Rejected(BaseModel):
    """One entry that was not taken, by its place in the list, and what to mend."""

    index: int
    invalid_parameters: list[InvalidParameter]


class BulkResult(BaseModel):
    """How many were taken, how many of those changed anything, and which were not taken."""

    taken: int
    changed: int
    rejected: list[Rejected]


@router.get("/v1/items")
async def list_items(
    http: Request, after: str = "", limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100
) -> list[ItemState]:
    """A page of the catalog by id, beginning behind `after`."""
    async with _storage(http) as pool:
        return await catalog.list_items(pool, after=after, limit=limit)


@router.get("/v1/items/{item_id:id}")
async def get_item(http: Request, item_id: AnItemId) -> ItemState:
    """One item as stored. An item whose own id ends in `/related` is shown at `/v1/catalog/items/ID` instead."""
    async with _storage(http) as pool:
        return _found(await catalog.get_item(pool, item_id), ProblemType.UNKNOWN_ITEM, item_id)


@router.put("/v1/items/{item_id:id}")
async def put_item(http: Request, item_id: AnItemId, item: Item) -> ItemState:
    """Stores an item, new or known. It takes effect on every shelf within seconds."""
    if item.item_id != item_id:
        raise ProblemError(ProblemType.INVALID_REQUEST, "The item_id in the body is another than in the address.")
    async with _storage(http) as pool:
        await catalog.upsert_items(pool, [item])
        return _found(await catalog.get_item(pool, item_id), ProblemType.UNKNOWN_ITEM, item_id)


@router.delete("/v1/items/{item_id:id}", status_code=204)
async def delete_item(http: Request, holder: Holder, item_id: AnItemId) -> Response:
    """Removes an item; its events stay."""
    async with _storage(http) as pool:
        _found(await catalog.delete_item(pool, item_id, actor=holder.name), ProblemType.UNKNOWN_ITEM, item_id)
    return Response(status_code=204)


@router.post("/v1/items/bulk")
async def put_items(http: Request, bulk: Bulk) -> BulkResult:
    """Stores up to 1,000 items; a bad one does not take its neighbours with it."""
    items, rejected = _judged(bulk, TypeAdapter(Item))
    async with _storage(http) as pool:
        changed = await catalog.upsert_items(pool, items) if items else 0
    return BulkResult(taken=len(items), changed=changed, rejected=rejected)


@router.post("/v1/items/{item_id:id}/suppress", status_code=204)
async def suppress_item(http: Request, holder: Operator, item_id: AnItemId, reason: str = "") -> Response:
    """Takes an item off every shelf within seconds, whatever its owner writes meanwhile; audited."""
    async with _storage(http) as pool:
        done = await catalog.suppress_item(pool, item_id, actor=holder.name, reason=reason)
        # Nothing was done where it already is so, which is as good.
        _found(done or await catalog.get_item(pool, item_id), ProblemType.UNKNOWN_ITEM, item_id)
    return Response(status_code=204)


@router.post("/v1/items/{item_id:id}/unsuppress", status_code=204)
async def unsuppress_item(http: Request, holder: Operator, item_id: AnItemId, reason: str = "") -> Response:
    """Lets an item back on the shelves; audited."""
    async with _storage(http) as pool:
        done = await catalog.unsuppress_item(pool, item_id, actor=holder.name, reason=reason)
        # Nothing was done where it already is so, which is as good.
        _found(done or await catalog.get_item(pool, item_id), ProblemType.UNKNOWN_ITEM, item_id)
    return Response(status_code=204)


@router.get("/v1/users/{user_id:id}")
async def get_user(http: Request, user_id: AUserId) -> User:
    """One user as stored."""
    async with _storage(http) as pool:
        return _found(await catalog.get_user(pool, user_id), ProblemType.UNKNOWN_USER, user_id)


@router.put("/v1/users/{user_id:id}")
async def put_user(http: Request, user_id: AUserId, user: User) -> User:
    """Stores a user, new or known."""
    if user.user_id != user_id:
        raise ProblemError(ProblemType.INVALID_REQUEST, "The user_id in the body is another than in the address.")
    async with _storage(http) as pool:
        await catalog.upsert_users(pool, [user])
    return user


@router.delete("/v1/users/{user_id:id}")
async def erase_user(http: Request, holder: Holder, user_id: AUserId) -> ErasureReceipt:
    """Erases the person: events, decisions, attributes, and what nameless sessions of this user did.

    At once in PostgreSQL, within a minute in the memory of every gateway. What is still on its way from before the
    erasure is not stored any more. A user of whom nothing is known gets a receipt, too.
    """
    async with _storage(http) as pool:
        return await erasures.erase_user(pool, user_id, actor=holder.name)


@router.post("/v1/users/bulk")
async def put_users(http: Request, bulk: Bulk) -> BulkResult:
    """Stores up to 1,000 users; a bad one does not take its neighbours with it."""
    users, rejected = _judged(bulk, TypeAdapter(User))
    async with _storage(http) as pool:
        changed = await catalog.upsert_users(pool, users) if users else 0
    return BulkResult(taken=len(users), changed=changed, rejected=rejected)


@router.get("/v1/placements", dependencies=[Depends(_operator)])
async def list_placements(http: Request) -> list[Placement]:
    """The placements in force on this gateway."""
    return list(parts_of(http).mirror.placements.values())


@router.put("/v1/placements/{name}")
async def change_placement(http: Request, holder: Operator, name: str, placement: Placement) -> Placement:
    """Stores a placement, new or known; in force on every gateway within seconds; audited."""
    if placement.name != name:
        raise ProblemError(ProblemType.INVALID_REQUEST, "The name in the body is another than in the address.")
    async with _storage(http) as pool:
        await put_placement(pool, placement, actor=holder.name)
    return placement


@asynccontextmanager
async def _storage(http: Request) -> AsyncIterator[Pool]:
    parts = parts_of(http)
    pool = parts.database.pool
    if pool is None:
        raise ProblemError(ProblemType.CATALOG_UNAVAILABLE, "PostgreSQL cannot be reached.")
    try:
        async with asyncio.timeout(WAITS_MAX * parts.settings.gateway_database_timeout_ms / 1_000):
            yield pool
    except (StorageUnavailable, TimeoutError) as error:
        raise ProblemError(ProblemType.CATALOG_UNAVAILABLE, "PostgreSQL did not answer in time.") from error
    except StorageRefused as error:
        raise ProblemError(ProblemType.INVALID_REQUEST, f"PostgreSQL refused the data: {error}") from error


F = TypeVar("F")


def _found(found: F | None, problem_type: ProblemType, subject: str) -> F:
    if not found:
        raise ProblemError(problem_type, f"There is no {subject!r}.")
    return found


def _judged(bulk: Bulk, adapter: TypeAdapter[T]) -> tuple[list[T], list[Rejected]]:
    taken: list[T] = []
    rejected: list[Rejected] = []
    for index, entry in enumerate(bulk.entries):
        try:
            judged = adapter.validate_python(entry, strict=False)
        except ValidationError as error:
            rejected.append(Rejected(index=index, invalid_parameters=invalid_parameters(error)))
            continue
        if refused := _unkeepable(entry):
            rejected.append(Rejected(index=index, invalid_parameters=refused))
        else:
            taken.append(judged)
    return taken, rejected


def _unkeepable(entry: JsonValue) -> list[InvalidParameter]:
    """The fields that are valid but that PostgreSQL would refuse, and with them the whole statement."""
    fields = entry.items() if isinstance(entry, dict) else ()
    return [
        InvalidParameter(
            name=name, detail="holds a NUL character, half a surrogate pair or a number that is not finite"
        )
        for name, value in fields
        if not _keepable(value)
    ]


def _keepable(value: JsonValue) -> bool:
    match value:
        case str():
            return _UNKEEPABLE.search(value) is None
        case float():
            return isfinite(value)
        case list():
            return all(map(_keepable, value))
        case dict():
            return all(map(_keepable, (*value, *value.values())))
        case _:
            return True
