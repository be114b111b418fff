"""Items and users in PostgreSQL, and the change sequence that gateways follow."""

from collections.abc import Sequence
from itertools import takewhile

import asyncpg

from evershelf.contracts.catalog import Item, ItemState, User, readable
from evershelf.storage.audit import write_audit
from evershelf.storage.postgres import Connection, Pool, affected, reading, transaction
from evershelf.storage.queries import sql

PAGE_MAX = 5_000
# Rows a statement: more gain nothing and make one statement long.
CHUNK_ITEMS = 1_000


async def upsert_items(pool: Pool, items: Sequence[Item]) -> int:
    """Writes all items or none, the last of equal ids winning; returns how many really changed.

    A deleted item comes back; a suppressed one stays suppressed. Raises StorageRefused or StorageUnavailable.
    """
    async with transaction(pool) as connection:
        return await write_items(connection, items)


async def write_items(connection: Connection, items: Sequence[Item]) -> int:
    """As `upsert_items`, inside the caller's transaction (an import of many chunks that is all or nothing)."""
    rows = [item.model_dump(mode="json") for item in {item.item_id: item for item in items}.values()]
    if rows:
        await connection.execute(sql("items.take_turn"))
    changed = 0
    for start in range(0, len(rows), CHUNK_ITEMS):
        changed += affected(await connection.execute(sql("items.upsert"), rows[start : start + CHUNK_ITEMS]))
    return changed


async def get_item(pool: Pool, item_id: str) -> ItemState | None:
    """The item, or None where it never was or is deleted."""
    async with reading(pool) as connection:
        row = await connection.fetchrow(sql("items.get"), item_id)
    return None if row is None else _item_state(row)


async def list_items(pool: Pool, *, after: str = "", limit: int = 100) -> list[ItemState]:
    """A page of at most PAGE_MAX items in order of id, above `after`; tombstones are left out."""
    async with reading(pool) as connection:
        return [_item_state(row) for row in await connection.fetch(sql("items.list"), after, min(limit, PAGE_MAX))]


async def changes_since(pool: Pool, sequence: int, *, limit: int = 1_000) -> list[ItemState]:
    """Items (tombstones too) changed above `sequence`, in order of change, at most PAGE_MAX.

    Nothing is ever missed by asking again with the last `change_sequence` seen: an item that changed twice comes
    once, with its newest state. What there is is asked for twice, and told as far as both replies say the same: a
    reply that was damaged on its way could skip changes up to a sequence that never was.
    """
    question = sql("items.changes_since"), sequence, min(limit, PAGE_MAX)
    async with reading(pool) as connection:
        first = await connection.fetch(*question)
        second = await connection.fetch(*question) if first else []
    agreed = takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return [_item_state(row) for row, _ in agreed]


async def delete_item(pool: Pool, item_id: str, *, actor: str) -> bool:
    """Leaves a tombstone and writes the audit row; False where there was nothing to delete."""
    async with transaction(pool) as connection:
        done = affected(await connection.execute(sql("items.delete"), item_id)) == 1
        if done:
            await write_audit(connection, actor=actor, action="item.delete", subject=item_id, detail={})
    return done


async def suppress_item(pool: Pool, item_id: str, *, actor: str, reason: str) -> bool:
    """Takes the item off every shelf and writes the audit row; False where it does not exist or already was."""
    return await _set_suppressed(pool, item_id, suppressed=True, actor=actor, reason=reason)


async def unsuppress_item(pool: Pool, item_id: str, *, actor: str, reason: str) -> bool:
    """Lets the item back and writes the audit row; False where it does not exist or was not suppressed."""
    return await _set_suppressed(pool, item_id, suppressed=False, actor=actor, reason=reason)


async def _set_suppressed(pool: Pool, item_id: str, *, suppressed: bool, actor: str, reason: str) -> bool:
    action = "item.suppress" if suppressed else "item.unsuppress"
    async with transaction(pool) as connection:
        done = affected(await connection.execute(sql("items.set_suppressed"), item_id, suppressed)) == 1
        if done:
            await write_audit(connection, actor=actor, action=action, subject=item_id, detail={"reason": reason})
    return done


async def upsert_users(pool: Pool, users: Sequence[User]) -> int:
    """Writes all users or none, the last of equal ids winning; returns how many really changed."""
    rows = [user.model_dump(mode="json") for user in {user.user_id: user for user in users}.values()]
    async with transaction(pool) as connection:
        return affected(await connection.execute(sql("users.upsert"), rows))


async def get_user(pool: Pool, user_id: str) -> User | None:
    """The user, or None."""
    async with reading(pool) as connection:
        row = await connection.fetchrow(sql("users.get"), user_id)
    return None if row is None else User.model_validate(readable(dict(row)))


async def search_users(pool: Pool, prefix: str, *, after: str, limit: int) -> list[User]:
    """Users whose id begins with `prefix`, in order of id, above `after`; at most PAGE_MAX."""
    async with reading(pool) as connection:
        rows = await connection.fetch(sql("users.search"), prefix, after, min(limit, PAGE_MAX))
    return [User.model_validate(readable(dict(row))) for row in rows]


def _item_state(row: asyncpg.Record) -> ItemState:
    # The table's checks and the API's validation have seen these values: no second validation for 100,000 rows.
    values = readable(dict(row))
    item = Item.model_construct(
        **{name: values[name] for name in Item.model_fields} | {n: tuple(values[n]) for n in ("categories", "tags")}
    )
    return ItemState.model_construct(
        item=item,
        suppressed=values["suppressed"],
        deleted=values["deleted"],
        change_sequence=values["change_sequence"],
        updated_at=values["updated_at"],
    )
