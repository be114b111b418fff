"""Items and users are kept as given, followers of the change sequence miss nothing, and deeds are audited."""

import asyncio
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from evershelf.contracts.catalog import INSTANT_MAX, INSTANT_MIN, Item, User
from evershelf.storage import catalog
from evershelf.storage.audit import list_audit
from evershelf.storage.erasures import erase_user
from evershelf.storage.postgres import Pool, transaction

MUG = Item(
    item_id="mug-1",
    title="A mug, blue",
    categories=("home/kitchen", "gifts"),
    price=1299,
    currency="EUR",
    expires_at=datetime(2030, 1, 1, 12, 30, 0, 123456, tzinfo=UTC),
    tags=("new", 'quo"ted', "comma,ed"),
    attributes={"colour": "blue", "size": {"ml": 300}, "rating": 4.5},
)


async def test_an_item_comes_back_as_it_was_written(pool: Pool):
    # Promise: what the owner wrote is what is stored, to the microsecond and the comma.
    await catalog.upsert_items(pool, [MUG])
    stored = await catalog.get_item(pool, "mug-1")
    assert stored is not None
    assert stored.item == MUG
    assert Item.model_validate(stored.item.model_dump()) == MUG


async def test_no_item_can_be_written_that_cannot_be_read(pool: Pool):
    # Promise: the first and the last instant come back; what is beyond them in UTC is refused before it is stored, for
    # one unreadable item would stop every follower of the changes.
    edges = [Item(item_id="first", published_at=INSTANT_MIN), Item(item_id="last", expires_at=INSTANT_MAX)]
    await catalog.upsert_items(pool, edges)
    assert {state.item.item_id: state.item for state in await catalog.changes_since(pool, 0)} == {
        item.item_id: item for item in edges
    }
    with pytest.raises(ValidationError):
        Item.model_validate({"item_id": "beyond", "expires_at": "9999-12-31T23:59:59-01:00"})
    with pytest.raises(ValidationError):
        Item.model_validate({"item_id": "beyond", "published_at": "0001-01-01T00:00:00+01:00"})


async def test_writing_the_same_items_again_changes_nothing(pool: Pool):
    # Promise: an upsert without news draws no change number, so followers have nothing to fetch.
    items = [MUG, Item(item_id="mug-2"), Item(item_id="mug-3")]
    assert await catalog.upsert_items(pool, items) == 3
    before = {state.item.item_id: state.change_sequence for state in await catalog.changes_since(pool, 0)}
    assert await catalog.upsert_items(pool, items) == 0
    assert await catalog.upsert_items(pool, [MUG.model_copy(update={"price": 1}), *items[1:]]) == 1
    after = {state.item.item_id: state.change_sequence for state in await catalog.changes_since(pool, 0)}
    assert after == before | {"mug-1": max(before.values()) + 1}


async def test_the_last_of_equal_ids_wins(pool: Pool):
    # Promise: a batch that names an item twice is no error.
    await catalog.upsert_items(pool, [Item(item_id="a", title="old"), Item(item_id="a", title="new")])
    stored = await catalog.get_item(pool, "a")
    assert stored is not None
    assert stored.item.title == "new"


async def test_suppression_survives_the_owners_update_and_is_audited(pool: Pool):
    # Promise: only an operator lifts a suppression; each step leaves its audit row.
    await catalog.upsert_items(pool, [MUG])
    assert await catalog.suppress_item(pool, "mug-1", actor="ann", reason="recall")
    assert not await catalog.suppress_item(pool, "mug-1", actor="ann", reason="again")
    await catalog.upsert_items(pool, [MUG.model_copy(update={"title": "Renamed"})])
    stored = await catalog.get_item(pool, "mug-1")
    assert stored is not None
    assert stored.suppressed
    assert await catalog.unsuppress_item(pool, "mug-1", actor="bob", reason="mended")
    trail = [(entry.actor, entry.action, entry.detail) for entry in await list_audit(pool)]
    assert trail == [
        ("bob", "item.unsuppress", {"reason": "mended"}),
        ("ann", "item.suppress", {"reason": "recall"}),
    ]


async def test_a_deleted_item_leaves_a_tombstone_and_may_come_back(pool: Pool):
    # Promise: followers see the removal; writing the item again revives it.
    await catalog.upsert_items(pool, [MUG])
    seen = (await catalog.changes_since(pool, 0))[-1].change_sequence
    assert await catalog.delete_item(pool, "mug-1", actor="ann")
    assert not await catalog.delete_item(pool, "mug-1", actor="ann")
    assert await catalog.get_item(pool, "mug-1") is None
    assert [state.deleted for state in await catalog.changes_since(pool, seen)] == [True]
    assert await catalog.upsert_items(pool, [MUG]) == 1
    assert await catalog.get_item(pool, "mug-1") is not None


async def test_pages_cover_the_catalog_once(pool: Pool):
    # Promise: keyset pages have no gaps and no repetition, and leave out tombstones.
    await catalog.upsert_items(pool, [Item(item_id=f"i{n:03}") for n in range(25)])
    await catalog.delete_item(pool, "i007", actor="ann")
    seen: list[str] = []
    while page := await catalog.list_items(pool, after=seen[-1] if seen else "", limit=10):
        seen += [state.item.item_id for state in page]
    assert seen == [f"i{n:03}" for n in range(25) if n != 7]


async def test_a_follower_misses_no_change_of_two_writers(pool: Pool):
    # Promise: "everything above N" is complete, however the transactions of several writers interleave.
    seen: dict[str, str] = {}
    writers = [asyncio.create_task(_write_many(pool, name)) for name in ("left", "right")]
    position = 0
    while True:
        finished = all(writer.done() for writer in writers)
        for state in await catalog.changes_since(pool, position, limit=7):
            assert state.change_sequence > position
            position, seen[state.item.item_id] = state.change_sequence, state.item.title
        if finished and not await catalog.changes_since(pool, position):
            break
    await asyncio.gather(*writers)
    assert seen == {f"{name}-{n}": "20" for name in ("left", "right") for n in range(5)}


async def _write_many(pool: Pool, name: str) -> None:
    for turn in range(1, 21):
        for chunk in (range(3), range(3, 5)):
            await catalog.upsert_items(pool, [Item(item_id=f"{name}-{n}", title=str(turn)) for n in chunk])


async def test_users_are_kept_and_removed(pool: Pool):
    # Promise: upsert, read, remove with the person; the audit row of a removal does not name the user.
    user = User(user_id="u-1", attributes={"tier": "gold"})
    assert await catalog.upsert_users(pool, [user, User(user_id="u-2")]) == 2
    assert await catalog.upsert_users(pool, [user]) == 0
    assert await catalog.get_user(pool, "u-1") == user
    assert [(await erase_user(pool, "u-1", actor="ann")).attributes for _ in range(2)] == [1, 0]
    assert await catalog.get_user(pool, "u-1") is None
    assert "u-1" not in repr(await list_audit(pool))


@pytest.mark.parametrize("second", ["upsert", "suppress"])
async def test_a_later_number_is_never_visible_before_an_earlier_one(pool: Pool, second):
    # Promise: while one writer has drawn a number and not committed, no other writer's number can be seen.
    await catalog.upsert_items(pool, [Item(item_id="late")])
    start = (await catalog.changes_since(pool, 0))[-1].change_sequence
    async with transaction(pool) as slow:
        await catalog.write_items(slow, [Item(item_id="early")])
        other = asyncio.create_task(_touch_late(pool, second))
        await _until_waiting(pool)
        assert await catalog.changes_since(pool, start) == []
    await other
    assert [state.item.item_id for state in await catalog.changes_since(pool, start)] == ["early", "late"]


async def _touch_late(pool: Pool, second: str) -> None:
    if second == "upsert":
        await catalog.upsert_items(pool, [Item(item_id="late", title="touched")])
    else:
        await catalog.suppress_item(pool, "late", actor="ann", reason="test")


async def _until_waiting(pool: Pool) -> None:
    # Without the turn-taking nobody ever waits; the loop then ends and the assertion behind it fails.
    for _ in range(100):
        if await pool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            return
        await asyncio.sleep(0.01)
