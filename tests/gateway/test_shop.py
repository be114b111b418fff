"""The catalog for shop pages: from memory, in order of popularity, only what may be shown."""

import pytest

from evershelf.contracts.admin_catalog import CatalogCategories, CatalogItem, CatalogPage
from evershelf.contracts.catalog import Item
from evershelf.storage.catalog import suppress_item, upsert_items
from tests.gateway.gateway_world import SHELF_SIZE, eventually, open_world


@pytest.fixture
async def world(postgres, tmp_path):
    async with open_world(postgres.url, tmp_path) as world:

        async def indexed():
            return world.parts.catalog.words is not None

        await eventually(indexed)
        world.client.headers.update(world.bearer("recommend"))
        yield world


async def page(world, **wanted) -> CatalogPage:
    answer = await world.client.get("/v1/catalog/items", params=wanted)
    assert answer.status_code == 200, answer.text
    return CatalogPage.model_validate_json(answer.content)


async def test_categories_are_counted_with_what_lies_below(world):
    # Promise: every path and prefix is listed once, with the number of items in or below it.
    told = CatalogCategories.model_validate_json((await world.client.get("/v1/catalog/categories")).content)
    sizes = {each.path: (each.depth, each.items) for each in told.categories}
    assert sizes["home"] == (1, 12)
    assert sizes["home/mugs"] == (2, 6)
    assert sum(items for depth, items in sizes.values() if depth == 1) == SHELF_SIZE


async def test_pages_hold_the_whole_catalog_once_the_most_popular_first(world):
    # Promise: following `next_after` gives every item once, in the order of the popular list.
    whole, after = [], {}
    while after is not None:
        found = await page(world, limit=10, **after)
        whole += [item.item_id for item in found.items]
        after = {"after": found.next_after} if found.next_after else None
    popular = [item_id for item_id, _ in world.parts.snapshots.current.popular()]
    assert (len(whole), len(set(whole))) == (SHELF_SIZE, SHELF_SIZE)
    assert whole[:10] == popular[:10]


async def test_search_and_category_narrow_the_list(world):
    # Promise: `q` and `category` both hold for every item, and what nobody sells is an empty page, not an error.
    assert {item.item_id for item in (await page(world, category="home/mugs")).items} == {f"mugs-{n}" for n in range(6)}
    assert [item.item_id for item in (await page(world, q="LAMPS 3")).items] == ["lamps-3"]
    assert (await page(world, q="lam", category="garden")).items == []
    assert (await page(world, category="attic")).items == []


async def test_what_an_operator_takes_off_is_gone_from_every_page(world):
    # Promise: a suppressed item is on no page and at no address within seconds.
    await suppress_item(world.pool, "mugs-0", actor="test", reason="")

    async def gone():
        return (await world.client.get("/v1/catalog/items/mugs-0")).status_code == 404

    await eventually(gone)
    assert "mugs-0" not in {item.item_id for item in (await page(world, category="home/mugs")).items}


async def test_a_new_item_has_an_address_before_the_next_snapshot(world):
    # Promise: an item that came since the snapshot is found at its address as soon as the gateway has heard of it.
    await upsert_items(world.pool, [Item(item_id="new", title="Brand new", categories=("home",))])

    async def there():
        return (await world.client.get("/v1/catalog/items/new")).status_code == 200

    await eventually(there)
    told = CatalogItem.model_validate_json((await world.client.get("/v1/catalog/items/new")).content)
    assert (told.item.title, told.available) == ("Brand new", True)


async def test_a_page_needs_no_index_yet(world):
    # Promise: while the index is built, the first page holds the most popular items and says that it is not all.
    world.parts.catalog._task.cancel()
    world.parts.catalog.words = None
    found = await page(world, category="home", limit=5)
    assert (len(found.items), found.complete) == (5, False)
    assert "indexed" in found.note
