"""Attributes have a depth: what goes beyond is refused, and what was stored before there was one does no harm."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from evershelf.contracts.catalog import ATTRIBUTES_DEPTH_MAX, INSTANT_MIN, Item, ItemState, User
from evershelf.gateway.explain import item_of
from evershelf.gateway.settings import GatewaySettings
from evershelf.registry.store import DirectoryRegistry
from evershelf.storage import catalog
from evershelf.storage.extract import extraction
from evershelf.training.snapshot import refresh
from tests.gateway.test_mirror import SECRET, FakeLink, Mirror, restarted

DEPTHS = (33, 150, 250)  # the deepest one could be stored, and not be read any more


def deep(depth: int, *, lists: bool = False) -> dict[str, object]:
    """Attributes of so many levels: objects, or lists from the second on."""
    opening, closing = ("[", "]") if lists else ('{"a":', "}")
    return json.loads('{"a":' + opening * (depth - 2) + "[]" + closing * (depth - 2) + "}")


@pytest.fixture
async def stored(pool):
    """The pool of a shop that has kept an item and a user of each depth."""
    for depth in DEPTHS:
        await catalog.upsert_items(pool, [Item(item_id=f"deep-{depth}", title="Deep")])
        await catalog.upsert_users(pool, [User(user_id=f"deep-{depth}")])
        for table, name in (("items", "item_id"), ("users", "user_id")):
            change = f"UPDATE {table} SET attributes = $2::text::jsonb WHERE {name} = $1"
            await pool.execute(change, f"deep-{depth}", json.dumps(deep(depth)))
    return pool


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("of", [Item, User])
def test_attributes_have_a_depth(of, lists):
    # Promise: so many lists and objects in each other and no more, however many more, and the refusal says so.
    whole = {f"{of.__name__.lower()}_id": "x", "attributes": deep(ATTRIBUTES_DEPTH_MAX, lists=lists)}
    assert of.model_validate(whole).attributes == whole["attributes"]
    for depth in (ATTRIBUTES_DEPTH_MAX + 1, 250, 900):
        with pytest.raises(ValidationError, match="more than 32 deep") as refused:
            of.model_validate(whole | {"attributes": {"flat": 1, **deep(depth, lists=lists)}})
        assert [error["loc"] for error in refused.value.errors()] == [("attributes",)]


async def test_what_was_stored_deeper_is_read_without_its_attributes(stored, database_url):
    # Promise: each reader of the database gets the item or the user, and its neighbours with it.
    ids = {f"deep-{depth}" for depth in DEPTHS}
    states = [
        *await catalog.list_items(stored),
        *await catalog.changes_since(stored, 0),
        await catalog.get_item(stored, "deep-250"),
    ]
    async with extraction(database_url, timeout_s=10) as view:
        items = [item async for item in view.items()] + [entry.item async for entry in view.shelf()]
    items += [state.item for state in states]
    assert {item.item_id for item in items} == ids
    assert {(item.title, str(item.attributes)) for item in items} == {("Deep", "{}")}
    users = [*await catalog.search_users(stored, "", after="", limit=9), await catalog.get_user(stored, "deep-250")]
    assert {(user.user_id, str(user.attributes)) for user in users} == {(user_id, "{}") for user_id in ids}


async def test_a_deep_item_keeps_no_mirror_from_being_read(stored, tmp_path):
    # Promise: what the gateway wrote it can read after a restart without PostgreSQL.
    settings = GatewaySettings(key_secret=SECRET, gateway_data_dir=tmp_path)
    mirror = Mirror(settings, FakeLink(stored))
    await mirror.refresh()
    again = await restarted(settings)
    assert dict(again.changes) == dict(mirror.changes)
    assert len(again.changes) == len(DEPTHS)


@pytest.mark.usefixtures("stored")
async def test_a_deep_item_keeps_no_snapshot_from_being_made(database_url, tmp_path):
    # Promise: the snapshot is published with all items.
    manifest = await asyncio.to_thread(refresh, database_url, DirectoryRegistry(tmp_path / "registry"))
    assert manifest.items == len(DEPTHS)


def test_what_an_older_version_wrote_is_read():
    # Promise: a mirror's file and a snapshot from before the limit are understood.
    item = Item.model_construct(item_id="x", title="Deep", attributes=deep(150))
    state = ItemState.model_construct(item=item, change_sequence=1, updated_at=INSTANT_MIN)
    assert ItemState.model_validate_json(state.model_dump_json()).item == Item(item_id="x", title="Deep")
    for depth in DEPTHS:
        body = json.dumps({"item_id": "x", "title": "Deep", "attributes": deep(depth)}).encode()
        shelf = SimpleNamespace(has_body=lambda _: True, body=lambda _, body=body: body)
        assert item_of(shelf, "x") == Item(item_id="x", title="Deep")
