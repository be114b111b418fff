"""Placements, keys, settings and the audit log in the console: changed under audit, told without secrets."""

import pytest

from evershelf.contracts.admin_catalog import (
    AdminItemPage,
    ItemDetail,
    ItemStatus,
    PlacementState,
    PreviewComparison,
    UserDetail,
    UserPage,
)
from evershelf.contracts.admin_operation import AuditPage, KeyPage, KeyRow, NewKey, SettingsTold
from evershelf.contracts.catalog import User
from evershelf.storage.catalog import upsert_users
from tests.gateway.gateway_world import SECRET, eventually, ids, open_world


@pytest.fixture
async def world(postgres, tmp_path):
    async with open_world(postgres.url, tmp_path) as world:

        async def indexed():
            return world.parts.catalog.words is not None

        await eventually(indexed)
        yield world


async def placements(world) -> dict[str, PlacementState]:
    told = (await world.client.get("/v1/admin/placements")).json()
    return {state["placement"]["name"]: PlacementState.model_validate(state) for state in told}


async def test_a_placement_is_edited_from_what_was_seen(world):
    # Promise: an edit names the version it replaces; a stale one changes nothing; the deed shows before and after.
    seen = (await placements(world))["cart"]
    edited = seen.placement.model_copy(update={"k": 3}).model_dump(mode="json")
    body = {"placement": edited, "expected_version": seen.version}
    first = await world.client.put("/v1/admin/placements/cart", json=body)
    assert first.status_code == 200, first.text
    assert (await world.client.put("/v1/admin/placements/cart", json=body)).status_code == 409

    async def in_force():
        return (await placements(world))["cart"].version == first.json()["version"]

    await eventually(in_force)
    assert len((await world.ask(placement="cart")).items) == 3
    audit = AuditPage.model_validate_json((await world.client.get("/v1/admin/audit?subject=cart")).content)
    [deed] = audit.entries
    assert (deed.detail["before"]["k"], deed.detail["definition"]["k"]) == (6, 3)


async def test_a_new_placement_must_be_new_and_never_run_dry(world):
    # Promise: without a version only what does not exist is made; a ladder that could run dry is refused.
    new = {"placement": {"name": "attic", "k": 4}, "expected_version": None}
    assert (await world.client.put("/v1/admin/placements/attic", json=new)).status_code == 200
    assert (await world.client.put("/v1/admin/placements/attic", json=new)).status_code == 409
    dry = {"placement": {"name": "dry", "ladder": ["model"]}}
    assert (await world.client.put("/v1/admin/placements/dry", json=dry)).status_code == 422
    assert (await world.client.put("/v1/admin/placements/other", json=new)).status_code == 422


async def test_a_preview_shows_the_edit_and_leaves_no_trace(world):
    # Promise: what a definition would answer is shown beside what is in force; nothing is stored, recorded or counted.
    await world.see("ann", "mugs-0")
    wanted = {"placement": {"name": "home", "k": 3, "ladder": ["popular", "static"]}, "user_id": "ann"}
    answer = await world.client.post("/v1/admin/placements/preview", json=wanted)
    both = PreviewComparison.model_validate_json(answer.content)
    assert (both.preview.source, len(both.preview.items)) == ("popular", 3)
    assert (both.current.source, len(both.current.items)) == ("related", 10)
    assert len(world.parts.decisions) == 0
    assert (await world.parts.series.window(60, 1)).whole.answers.total() == 0
    assert ids(await world.ask(user_id="ann")) == [place.item_id for place in both.current.items]


async def test_a_key_is_made_once_works_and_ends(world):
    # Promise: a new key opens what its scopes say within seconds; a revoked one nothing; no list tells its secret.
    made = await world.client.post("/v1/admin/keys", json={"name": "shop", "scopes": ["recommend"]})
    new = NewKey.model_validate_json(made.content)
    bearer = {"Authorization": f"Bearer {new.key}"}

    async def status(expected):
        answer = await world.client.get("/v1/popular", headers=bearer)
        return answer.status_code == expected

    await eventually(lambda: status(200))
    page = (await world.client.get("/v1/admin/keys")).text
    assert new.key not in page
    assert "digest" not in page
    assert KeyPage.model_validate_json(page).keys[0].key_id == new.row.key_id
    revoked = await world.client.post(f"/v1/admin/keys/{new.row.key_id}/revoke")
    assert KeyRow.model_validate_json(revoked.content).revoked_at is not None
    await eventually(lambda: status(401))
    assert (await world.client.post("/v1/admin/keys/nobody/revoke")).status_code == 404


async def test_a_key_is_rotated_with_an_overlap(world):
    # Promise: the new key has the scopes and the quota of the old one, which holds for the overlap and no longer; a key
    # is rotated once; both deeds can be ended early; the log names the new key.
    wanted = {"name": "shop", "scopes": ["recommend"], "quota_per_s": 50}
    old = NewKey.model_validate_json((await world.client.post("/v1/admin/keys", json=wanted)).content)
    path = f"/v1/admin/keys/{old.row.key_id}/rotate"
    rotated = await world.client.post(path, json={"overlap_s": 600})
    assert rotated.status_code == 201
    new = NewKey.model_validate_json(rotated.content)
    assert (new.row.name, new.row.scopes, new.row.quota_per_s) == ("shop", old.row.scopes, 50)

    async def status(key, expected):
        answer = await world.client.get("/v1/popular", headers={"Authorization": f"Bearer {key}"})
        return answer.status_code == expected

    await eventually(lambda: status(new.key, 200))
    await eventually(lambda: status(old.key, 200))
    page = KeyPage.model_validate_json((await world.client.get("/v1/admin/keys")).content)
    [ends] = [key.revoked_at for key in page.keys if key.key_id == old.row.key_id]
    assert (ends - new.row.created_at).total_seconds() == 600
    again = await world.client.post(path, json={})
    assert again.json()["type"] == "/problems/conflict"
    await world.client.post(f"/v1/admin/keys/{old.row.key_id}/revoke")
    await eventually(lambda: status(old.key, 401))
    at_once = await world.client.post(f"/v1/admin/keys/{new.row.key_id}/rotate", json={"overlap_s": 0})
    assert at_once.status_code == 201
    await eventually(lambda: status(new.key, 401))
    assert (await world.client.post("/v1/admin/keys/nobody/rotate", json={})).status_code == 404
    log = AuditPage.model_validate_json((await world.client.get("/v1/admin/audit?action=key.rotate")).content)
    assert log.entries[-1].subject == old.row.key_id
    assert log.entries[-1].detail["new_key_id"] == new.row.key_id


async def test_nobody_locks_themselves_out(world):
    # Promise: the key that asks cannot revoke itself, nor rotate itself without an overlap.
    [own] = [key for key in (await world.client.get("/v1/admin/keys")).json()["keys"] if key["own"]]
    for answer in (
        await world.client.post(f"/v1/admin/keys/{own['key_id']}/revoke"),
        await world.client.post(f"/v1/admin/keys/{own['key_id']}/rotate", json={"overlap_s": 0}),
    ):
        assert answer.json()["type"] == "/problems/conflict"
    assert (await world.client.post(f"/v1/admin/keys/{own['key_id']}/rotate", json={})).status_code == 201


async def test_settings_tell_their_origin_and_no_secret(world):
    # Promise: every setting of the gateway is told with where it came from; secrets and passwords in URLs are masked.
    answer = await world.client.get("/v1/admin/settings")
    told = {row.variable: row for row in SettingsTold.model_validate_json(answer.content).settings}
    assert told["EVERSHELF_GATEWAY_HOST"].origin == "default"
    assert told["EVERSHELF_KEY_SECRET"].secret
    assert SECRET not in answer.text
    assert world.settings.database_url.get_secret_value().split("@")[0] not in answer.text


async def test_the_audit_log_is_paged_and_filtered(world):
    # Promise: newest first, pages without gap or repeat, filtered by actor and action.
    for _ in range(2):
        await world.client.post("/v1/admin/items/mugs-0/suppress", json={"reason": "test"})
        await world.client.post("/v1/admin/items/mugs-0/unsuppress", json={})
    first = AuditPage.model_validate_json((await world.client.get("/v1/admin/audit?actor=admin&limit=3")).content)
    path = f"/v1/admin/audit?actor=admin&limit=3&before={first.next_before}"
    rest = AuditPage.model_validate_json((await world.client.get(path)).content)
    assert [entry.action for entry in first.entries + rest.entries] == ["item.unsuppress", "item.suppress"] * 2
    assert rest.next_before is None
    only = AuditPage.model_validate_json((await world.client.get("/v1/admin/audit?action=item.suppress")).content)
    assert len(only.entries) == 2


async def test_an_item_is_found_looked_at_and_taken_off(world):
    # Promise: search finds by id and title; the page says who got the item; a suppressed one says so on every page.
    found = AdminItemPage.model_validate_json((await world.client.get("/v1/admin/items?q=mugs-")).content)
    assert found.items[0].item_id == "mugs-0"
    answer = await world.ask(user_id="ann", placement="popular")
    item_id = answer.items[0].item_id
    detail = ItemDetail.model_validate_json((await world.client.get(f"/v1/admin/items/{item_id}")).content)
    assert [row.user_id for row in detail.shown_in] == ["ann"]
    assert detail.neighbours
    assert detail.status.popularity_rank == 1
    body = {"reason": "recall"}
    status = ItemStatus.model_validate_json(
        (await world.client.post(f"/v1/admin/items/{item_id}/suppress", json=body)).content
    )
    assert status.suppressed

    async def hidden():
        told = (await world.client.get(f"/v1/admin/items/{item_id}")).json()["status"]
        return (told["eligible"], told["why_not"]) == (False, "suppressed")

    await eventually(hidden)
    assert item_id not in ids(await world.ask(placement="popular"))
    assert (await world.client.get("/v1/admin/items/attic")).json()["type"] == "/problems/unknown-item"


async def test_a_user_is_shown_with_history_and_what_comes_now(world):
    # Promise: users are found by prefix; one user's page holds attributes, history, answers and what comes now.
    await upsert_users(world.pool, [User(user_id=name, attributes={"n": 1}) for name in ("ann", "anna", "bob")])
    await world.see("ann", "mugs-0")
    answer = await world.ask(user_id="ann")
    page = UserPage.model_validate_json((await world.client.get("/v1/admin/users?prefix=ann&limit=1")).content)
    assert ([row.user_id for row in page.users], page.next_after) == (["ann"], "ann")
    rest = await world.client.get("/v1/admin/users?prefix=ann&limit=1&after=ann")
    assert [row.user_id for row in UserPage.model_validate_json(rest.content).users] == ["anna"]
    detail = UserDetail.model_validate_json((await world.client.get("/v1/admin/users/ann")).content)
    assert (detail.known, detail.attributes, detail.history_complete) == (True, {"n": 1}, True)
    assert detail.history[0].item_id == "mugs-0"
    assert detail.decisions[0].recommendation_id == answer.recommendation_id
    assert [place.item_id for place in detail.now.items] == ids(answer)
