"""The catalog over HTTP: what is confirmed is in PostgreSQL, and without it the caller is told when to return."""

import json
from types import SimpleNamespace

import pytest

from evershelf.contracts.health import DependencyState
from evershelf.gateway.routes import catalog
from evershelf.storage.audit import list_audit
from tests.gateway.small_app import bearer, client, small_parts

MUG = {"item_id": "mug", "title": "A mug", "categories": ["kitchen/mugs"], "price": 990, "currency": "EUR"}


@pytest.fixture
async def session(pool):
    database = SimpleNamespace(pool=pool, state=DependencyState.UP, since_s=None)
    async with client(small_parts(database=database), catalog.router) as session:
        session.headers.update(bearer("admin"))
        yield session


async def test_an_item_is_stored_read_changed_and_deleted(session):
    # Promise: PUT stores, GET reads it back as it was written, DELETE removes it, once.
    assert (await session.put("/v1/items/mug", json=MUG)).status_code == 200
    stored = (await session.get("/v1/items/mug")).json()
    assert {name: stored["item"][name] for name in MUG} == MUG
    again = (await session.put("/v1/items/mug", json=MUG | {"price": 890})).json()
    assert (again["item"]["price"], again["change_sequence"] > stored["change_sequence"]) == (890, True)
    assert (await session.delete("/v1/items/mug")).status_code == 204
    for gone in (await session.get("/v1/items/mug"), await session.delete("/v1/items/mug")):
        assert gone.json()["type"] == "/problems/unknown-item"


async def test_ids_with_odd_letters_travel(session):
    # Promise: every valid id can be addressed, if need be percent-encoded.
    item_id = "Tasse é & 50%"
    path = "/v1/items/Tasse%20%C3%A9%20%26%2050%25"
    assert (await session.put(path, json={"item_id": item_id})).status_code == 200
    assert (await session.get(path)).json()["item"]["item_id"] == item_id


async def test_address_and_body_must_agree(session):
    # Promise: a mix-up of ids changes nothing.
    refused = await session.put("/v1/items/cup", json=MUG)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-request")
    assert (await session.get("/v1/items/mug")).status_code == 404


async def test_one_bad_item_does_not_take_its_neighbours(session):
    # Promise: each entry of a bulk is judged by itself, and the refused one is named by place and field.
    entries = [MUG, {"item_id": "cup", "price": -1}, {"item_id": "bowl"}, "nonsense"]
    result = (await session.post("/v1/items/bulk", json={"entries": entries})).json()
    assert (result["taken"], result["changed"]) == (2, 2)
    assert [entry["index"] for entry in result["rejected"]] == [1, 3]
    assert result["rejected"][0]["invalid_parameters"][0]["name"] == "price"
    assert (await session.get("/v1/items/bowl")).status_code == 200


@pytest.mark.parametrize("kind", ["item", "user"])
async def test_attributes_too_deep_are_refused_by_name(session, kind):
    # Promise: what no reader could read back is not stored, alone or in a bulk, and the refusal says what to mend.
    entry = {f"{kind}_id": "mug", "attributes": json.loads('{"a":' * 200 + "1" + "}" * 200)}
    refused = await session.put(f"/v1/{kind}s/mug", json=entry)
    assert refused.status_code == 422
    bulk = await session.post(f"/v1/{kind}s/bulk", json={"entries": [entry, {f"{kind}_id": "cup"}]})
    for [told] in (refused.json()["invalid_parameters"], bulk.json()["rejected"][0]["invalid_parameters"]):
        assert told["name"] in {"attributes", "body.attributes"}
        assert "more than 32 deep" in told["detail"]
    assert (await session.get(f"/v1/{kind}s/mug")).status_code == 404
    assert (await session.get(f"/v1/{kind}s/cup")).status_code == 200


async def test_a_bulk_sent_twice_changes_nothing_the_second_time(session):
    # Promise: repeating after a lost answer is harmless.
    for changed in (1, 0):
        assert (await session.post("/v1/items/bulk", json={"entries": [MUG]})).json()["changed"] == changed


async def test_a_bulk_has_a_limit(session):
    # Promise: 1,001 entries are refused as a whole.
    entries = [{"item_id": f"item-{number}"} for number in range(1_001)]
    assert (await session.post("/v1/items/bulk", json={"entries": entries})).status_code == 422
    assert (await session.get("/v1/items")).json() == []


async def test_pages_follow_each_other_without_gap_or_repeat(session):
    # Promise: `after` the last id comes the next page.
    entries = [{"item_id": f"item-{number}"} for number in range(5)]
    await session.post("/v1/items/bulk", json={"entries": entries})
    first = (await session.get("/v1/items", params={"limit": 3})).json()
    rest = (await session.get("/v1/items", params={"limit": 3, "after": first[-1]["item"]["item_id"]})).json()
    assert [state["item"]["item_id"] for state in first + rest] == [entry["item_id"] for entry in entries]


async def test_suppressing_survives_the_owner_and_is_audited(session, pool):
    # Promise: an operator's takedown outlives the owner's updates; doing it twice is as good as once.
    await session.put("/v1/items/mug", json=MUG)
    for _ in range(2):
        assert (await session.post("/v1/items/mug/suppress", params={"reason": "takedown"})).status_code == 204
    assert (await session.put("/v1/items/mug", json=MUG | {"title": "Back"})).json()["suppressed"] is True
    for _ in range(2):
        assert (await session.post("/v1/items/mug/unsuppress")).status_code == 204
    assert (await session.get("/v1/items/mug")).json()["suppressed"] is False
    assert [entry.action for entry in await list_audit(pool)] == ["item.unsuppress", "item.suppress"]
    assert (await session.post("/v1/items/cup/suppress")).status_code == 404


async def test_a_user_is_stored_read_and_deleted(session):
    # Promise: users have the same verbs as items, and an unknown one its own problem; a deletion is an erasure.
    user = {"user_id": "u-1", "attributes": {"newsletter": True}}
    assert (await session.put("/v1/users/u-1", json=user)).status_code == 200
    assert (await session.post("/v1/users/bulk", json={"entries": [user, {"user_id": ""}]})).json()["taken"] == 1
    assert (await session.get("/v1/users/u-1")).json() == user
    erased = await session.delete("/v1/users/u-1")
    assert (erased.status_code, erased.json()["attributes"]) == (200, 1)
    assert (await session.get("/v1/users/u-1")).json()["type"] == "/problems/unknown-user"


async def test_what_postgresql_refuses_is_the_callers_to_mend(session):
    # Promise: text that cannot be stored is an invalid request, not a failure of ours.
    refused = await session.put("/v1/items/mug", json=MUG | {"title": "a\x00b"})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-request")


async def test_a_placement_is_stored_only_if_it_can_never_run_dry(session):
    # Promise: a ladder without the rungs that keep the shelf full is refused.
    assert (await session.put("/v1/placements/attic", json={"name": "attic", "k": 4})).status_code == 200
    dry = {"name": "attic", "ladder": ["model"]}
    assert (await session.put("/v1/placements/attic", json=dry)).status_code == 422
    assert "home" in {placement["name"] for placement in (await session.get("/v1/placements")).json()}


@pytest.mark.parametrize("path", ["/v1/items/mug/suppress", "/v1/items/mug/unsuppress"])
async def test_suppressing_is_for_operators(session, path):
    # Promise: a catalog key cannot take items down or let them back.
    refused = await session.post(path, headers=bearer("catalog"))
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/missing-scope")


async def test_without_postgresql_the_caller_is_told_when_to_return():
    # Promise: no pool, no change, and an honest 503 with Retry-After.
    async with client(small_parts(), catalog.router) as session:
        response = await session.put("/v1/items/mug", json=MUG, headers=bearer("catalog"))
    assert (response.status_code, response.json()["type"]) == (503, "/problems/catalog-unavailable")
    assert int(response.headers["Retry-After"]) >= 1


async def test_a_database_lost_in_mid_request_is_unavailable_too(session, pool):
    # Promise: a pool that has just been closed gives the same answer.
    pool.terminate()
    assert (await session.get("/v1/items/mug")).json()["type"] == "/problems/catalog-unavailable"
