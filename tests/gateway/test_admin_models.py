"""Models in the console: what the registry has, moved only from where the operator saw it, every move on record."""

import pytest

from evershelf.contracts.admin_operation import ModelDetail, ModelPage, Moved
from evershelf.contracts.manifest import GateCheck
from evershelf.storage.audit import list_audit
from tests.gateway.gateway_world import open_world
from tests.inference.fake_model import flip_byte, model_folder, publish_champion


@pytest.fixture
async def world(postgres, tmp_path, registry):  # noqa: ARG001 - the world stands on it
    async with open_world(postgres.url, tmp_path) as world:
        yield world


@pytest.fixture
def registry(tmp_path):
    """m1 is the champion; m2 passed the gate, m3 did not."""
    registry = publish_champion(tmp_path / "registry", "m1")
    for version, passed in (("m2", True), ("m3", False)):
        folder = tmp_path / f"made-{version}"
        manifest = model_folder(folder, version)
        check = GateCheck(name="beats_popularity", passed=passed, detail="as told")
        registry.publish("models", manifest.model_copy(update={"gate": (check,)}), folder)
    return registry


async def models(world) -> ModelPage:
    return ModelPage.model_validate_json((await world.client.get("/v1/admin/models")).content)


async def promote(world, version, *, sequence=1, **more):
    body = {"reason": "looks good", "expected_sequence": sequence} | more
    return await world.client.post(f"/v1/admin/models/{version}/promote", json=body)


async def test_versions_are_listed_with_alias_gate_and_figures(world):
    # Promise: each version shows which alias names it and whether the gate let it through.
    page = await models(world)
    assert {row.version: (row.aliases, row.gate_passed) for row in page.models} == {
        "m1": (["champion"], True), "m2": ([], True), "m3": ([], False),
    }  # fmt: skip
    detail = ModelDetail.model_validate_json((await world.client.get("/v1/admin/models/m3")).content)
    assert [(check.name, check.passed) for check in detail.gate] == [("beats_popularity", False)]
    assert detail.size_bytes > 0
    assert (await world.client.get("/v1/admin/models/m9")).json()["type"] == "/problems/not-found"
    assert (await world.client.get("/v1/admin/models/..%2F..")).status_code == 404


async def test_promote_and_roll_back_are_on_record_twice(world):
    # Promise: the champion moves and comes back; registry and audit log both say who, what and why.
    moved = Moved.model_validate_json((await promote(world, "m2")).content)
    assert (moved.pointer.version, moved.previous.version, moved.audited) == ("m2", "m1", True)
    answer = await world.client.post("/v1/admin/models/roll-back", json={"reason": "clicks fell"})
    back = Moved.model_validate_json(answer.content)
    assert (back.pointer.version, back.previous.version, back.pointer.reason) == ("m1", "m2", "clicks fell")
    [champion, *_] = (await models(world)).aliases
    assert [move.version for move in champion.moves] == ["m1", "m2", "m1"]
    assert champion.moves[0].moved_by == "console:admin"
    assert [(entry.action, entry.subject) for entry in (await list_audit(world.pool))[:2]] == [
        ("model.roll_back", "m1"), ("model.promote", "m2"),
    ]  # fmt: skip


async def test_nobody_promotes_over_a_move_they_have_not_seen(world, registry):
    # Promise: a champion that moved meanwhile is a conflict, and stays.
    assert (await promote(world, "m2")).status_code == 200
    late = await promote(world, "m1", sequence=1)
    assert (late.status_code, late.json()["type"]) == (409, "/problems/conflict")
    assert registry.read_alias("models", "champion").version == "m2"


async def test_what_failed_the_gate_or_is_damaged_does_not_serve(world, registry):
    # Promise: a version that failed the gate needs an explicit word; one whose bytes changed never serves.
    assert (await promote(world, "m3")).json()["type"] == "/problems/conflict"
    assert (await promote(world, "m3", despite_gate=True)).status_code == 200
    flip_byte(registry.path("models", "m2") / "items.json")
    assert (await promote(world, "m2", sequence=2)).status_code == 404
    assert registry.read_alias("models", "champion").version == "m3"


async def test_a_bad_model_is_rolled_back_also_without_postgresql(world):
    # Promise: the way back does not depend on PostgreSQL; the answer says that the audit log does not have it.
    await promote(world, "m2")
    world.parts.database._task.cancel()
    world.parts.database._lose("gone for this test")
    answer = await world.client.post("/v1/admin/models/roll-back", json={"reason": "clicks fell"})
    moved = Moved.model_validate_json(answer.content)
    assert (moved.pointer.version, moved.audited) == ("m1", False)
    assert "PostgreSQL" in moved.note


async def test_no_previous_champion_is_a_conflict(world):
    # Promise: without a way back, nothing moves and the operator is told.
    answer = await world.client.post("/v1/admin/models/roll-back", json={"reason": "none"})
    assert answer.json()["type"] == "/problems/conflict"
    assert (await models(world)).aliases[0].pointer.version == "m1"
