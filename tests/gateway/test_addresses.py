"""Every id that may be stored can be shown, taken off and removed over HTTP, on a running gateway."""

import asyncio
from urllib.parse import quote

import pytest
import pytest_asyncio

from evershelf.contracts.catalog import Item, User
from evershelf.storage.catalog import upsert_items, upsert_users
from tests.gateway.gateway_world import eventually, open_world, valid

pytestmark = pytest.mark.asyncio(loop_scope="module")
IDS = [
    "news/2024/05/x", "a//b", "/a", "a/", "/", "a/../b", "./a", "a/..", "bulk", "x/bulk", "suppress", "x/suppress",
    "x/unsuppress", "x/suppress/unsuppress", "related", "a/related/b", "a%2Fb", "?a#b/c",
]  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    async with open_world(postgres.url, tmp_path_factory.mktemp("addresses")) as world:
        yield world


async def ask(world, method: str, path: str, status: int = 200, **sent: object) -> dict:
    answer = await world.client.request(method, path, **sent)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else {}


async def known(world, *item_ids: str) -> None:
    """Returns once the gateway's shelf has those items."""
    await upsert_items(world.pool, [Item(item_id=item_id, title=item_id) for item_id in item_ids])

    async def on_the_shelf() -> bool:
        return all(world.parts.snapshots.current.knows(item_id) for item_id in item_ids)

    await eventually(on_the_shelf)


@pytest.mark.parametrize("item_id", IDS)
async def test_an_item_is_shown_taken_off_and_deleted_whatever_its_id(world, item_id):
    # Promise: each operation reaches this item and no other, for the shop, the owner and the operator.
    await known(world, item_id)
    at = quote(item_id, safe="")
    assert (await ask(world, "PUT", f"/v1/items/{at}", json={"item_id": item_id}))["item"]["item_id"] == item_id
    assert (await ask(world, "GET", f"/v1/items/{at}"))["item"]["item_id"] == item_id
    assert (await ask(world, "GET", f"/v1/catalog/items/{at}"))["item"]["item_id"] == item_id
    assert (await ask(world, "GET", f"/v1/admin/items/{at}"))["status"]["item_id"] == item_id
    related = await world.client.get(f"/v1/items/{at}/related?k=3")
    assert item_id not in {place.item_id for place in valid(related).items}
    for operation, suppressed in (("suppress", True), ("unsuppress", False)):
        await ask(world, "POST", f"/v1/items/{at}/{operation}", 204)
        assert (await ask(world, "GET", f"/v1/items/{at}"))["suppressed"] is suppressed
        told = await ask(world, "POST", f"/v1/admin/items/{at}/{operation}", json={})
        assert (told["item_id"], told["suppressed"]) == (item_id, suppressed)
    await ask(world, "DELETE", f"/v1/items/{at}", 204)
    assert (await ask(world, "GET", f"/v1/items/{at}", 404))["detail"] == f"There is no {item_id!r}."


async def test_a_slash_may_be_sent_as_it_is(world):
    # Promise: who encodes no slash, or has a proxy that decodes it, reaches the same item.
    await known(world, "toys/b//c", "toys")
    assert (await ask(world, "GET", "/v1/items/toys/b//c"))["item"]["item_id"] == "toys/b//c"
    await ask(world, "POST", "/v1/items/toys/b//c/suppress", 204)
    await ask(world, "DELETE", "/v1/items/toys/b//c", 204)
    assert (await ask(world, "GET", "/v1/items/toys"))["suppressed"] is False


@pytest.mark.parametrize("user_id", IDS)
async def test_a_user_is_shown_and_erased_whatever_the_id(world, user_id):
    # Promise: nobody is out of reach of an erasure by the letters of an id.
    at = quote(user_id, safe="")
    assert (await ask(world, "PUT", f"/v1/users/{at}", json={"user_id": user_id}))["user_id"] == user_id
    assert (await ask(world, "GET", f"/v1/users/{at}"))["user_id"] == user_id
    assert (await ask(world, "GET", f"/v1/admin/users/{at}"))["known"] is True
    assert (await ask(world, "DELETE", f"/v1/users/{at}"))["attributes"] == 1
    assert (await ask(world, "GET", f"/v1/users/{at}", 404))["type"] == "/problems/unknown-user"


async def test_an_id_that_ends_as_an_operation_does(world):
    # Promise: what goes with an item comes first; the item whose id ends so is shown to the shop and the operator, and
    # is changed as any other.
    await known(world, "a", "a/related")
    assert (await ask(world, "GET", "/v1/items/a%2Frelated"))["placement"] == "item-page"
    assert (await ask(world, "GET", "/v1/items/a%2Frelated/related"))["placement"] == "item-page"
    for shown in ("/v1/catalog/items/a%2Frelated", "/v1/admin/items/a%2Frelated"):
        assert (await ask(world, "GET", shown)).get("item", {"item_id": "a/related"})["item_id"] == "a/related"
    await ask(world, "POST", "/v1/items/a%2Frelated/suppress", 204)
    await ask(world, "DELETE", "/v1/items/a%2Frelated", 204)
    assert (await ask(world, "GET", "/v1/items/a"))["suppressed"] is False


@pytest.mark.parametrize("user_id", [".", ".."])
async def test_dots_reach_whom_they_name_or_nobody(world, user_id):
    # Promise: an address that comes as it was meant is understood; one that a client has shortened erases nobody.
    await upsert_users(world.pool, [User(user_id=name) for name in (".", "..", "v1", "users")])
    shortened = await world.client.delete(f"/v1/users/{user_id}")
    assert shortened.status_code in {404, 405, 307}
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    bearer = world.bearer("catalog")["Authorization"]
    writer.write(f"DELETE /v1/users/{user_id} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n".encode())
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()
    left = await world.pool.fetch("SELECT user_id FROM users WHERE user_id = ANY ($1)", [".", "..", "v1", "users"])
    assert {row["user_id"] for row in left} == {".", "..", "v1", "users"} - {user_id}


@pytest.mark.parametrize("end", ["%0A", "%0Ab"])
async def test_a_line_break_is_never_dropped(world, end):
    # Promise: an address that names no valid id is refused; it is not that of another item.
    await known(world, "mug")
    for method, path in (("DELETE", f"/v1/items/mug{end}"), ("POST", f"/v1/items/mug{end}/suppress")):
        assert (await ask(world, method, path, 422))["type"] == "/problems/invalid-request"
    assert (await ask(world, "GET", "/v1/items/mug"))["suppressed"] is False
