"""Renewing the champion between trainings: fresh counts, the same recipe, and the gate all the same."""

import asyncio
import uuid
from datetime import timedelta

import numpy as np
import pytest
from safetensors.numpy import load_file

from evershelf.contracts.events import EventType
from evershelf.contracts.manifest import GateCheck
from evershelf.registry.aliases import AliasConflict
from evershelf.storage.events import store_events
from evershelf.training.package import recipe_of
from evershelf.training.pipeline import train
from evershelf.training.renewal import RENEWALS_KEPT, RenewalRefusedError, renew

MOVE = {"moved_by": "test", "reason": "test"}


def tensors(registry, version):
    return load_file(registry.path("models", version) / "model.safetensors")


# Two trainings and their probations, on a machine that may be busy.
@pytest.mark.timeout(400)
async def test_a_renewed_champion_knows_what_happened_since_and_keeps_its_recipe(
    filled_database_url, registry, quick_settings, pool, taste
):
    # Promise: the newest events reach the served model without a training run, unless they are unlike the champion's.
    until = taste.BEGIN + timedelta(days=50)
    trained = await asyncio.to_thread(train, filled_database_url, registry, quick_settings, as_of=until)
    manifest, fit = await asyncio.to_thread(renew, filled_database_url, registry, quick_settings)
    assert fit
    assert registry.read_alias("models", "champion").version == manifest.version
    assert registry.read_alias("models", "previous").version == trained.manifest.version
    assert manifest.data.events > trained.manifest.data.events
    assert recipe_of(manifest) == recipe_of(trained.manifest)
    assert manifest.serving == trained.manifest.serving
    assert manifest.gate[0].name == "renewed"
    before, after = tensors(registry, trained.manifest.version), tensors(registry, manifest.version)
    assert set(before) == set(after)
    assert not np.array_equal(before["popularity"], after["popularity"])
    for name in set(before) & {"neighbours.indices", "neighbours.weights"}:
        np.testing.assert_array_equal(before[name], after[name])

    sample = taste.wire_events(taste.events())
    kinds = {event.event_type for event in sample}
    other = next(kind for kind in (EventType.ADD_TO_CART, EventType.PURCHASE, EventType.CONSUME) if kind not in kinds)
    flood = [event.model_copy(update={"event_id": uuid.uuid4(), "event_type": other}) for event in 3 * sample]
    for first in range(0, len(flood), 1_000):
        await store_events(pool, flood[first : first + 1_000])
    held, fit = await asyncio.to_thread(renew, filled_database_url, registry, quick_settings)
    assert not fit
    assert "data_event_types" in {check.name for check in held.gate if not check.passed}
    assert registry.read_alias("models", "champion").version == manifest.version


async def test_renewing_launders_no_model_and_fills_no_registry(filled_database_url, registry, quick_settings):
    # Promise: one that was forced past the gate is not renewed; renewals make room, trained versions stay.
    trained = (await asyncio.to_thread(train, filled_database_url, registry, quick_settings)).manifest
    folder = registry.path("models", trained.version)
    for number in range(RENEWALS_KEPT + 2):
        told = GateCheck(name="renewed", passed=True, detail="")
        at = trained.created_at - timedelta(days=number - 5)
        renewal = trained.model_copy(update={"version": f"r{number}", "created_at": at, "gate": (told,)})
        registry.publish("models", renewal, folder)
    manifest, fit = await asyncio.to_thread(renew, filled_database_url, registry, quick_settings)
    assert fit
    left = registry.versions("models")
    assert {manifest.version, trained.version, "r0"} <= set(left)
    assert len(left) <= RENEWALS_KEPT + 1

    failed = GateCheck(name="beats_popularity", passed=False, detail="")
    registry.publish("models", trained.model_copy(update={"version": "forced", "gate": (failed,)}), folder)
    pointer = registry.read_alias("models", "champion")
    registry.move_alias("models", "champion", "forced", expected_sequence=pointer.sequence, **MOVE)
    with pytest.raises(RenewalRefusedError, match="beats_popularity"):
        await asyncio.to_thread(renew, filled_database_url, registry, quick_settings)


async def test_a_renewal_that_a_rollback_needs_stays(filled_database_url, registry, quick_settings):
    # Promise: the renewal that reigned before the last trained model outlives any number of renewals of that model.
    trained = (await asyncio.to_thread(train, filled_database_url, registry, quick_settings)).manifest
    folder = registry.path("models", trained.version)
    told = GateCheck(name="renewed", passed=True, detail="")

    def published(version, *, age_days, gate=(told,)):
        told = {"version": version, "created_at": trained.created_at - timedelta(days=age_days), "gate": gate}
        registry.publish("models", trained.model_copy(update=told), folder)

    def reign(version, moved_by):
        sequence = registry.read_alias("models", "champion").sequence
        registry.move_alias("models", "champion", version, expected_sequence=sequence, moved_by=moved_by, reason="test")

    published("reigned", age_days=60)
    published("newer", age_days=50, gate=trained.gate)
    for number in range(RENEWALS_KEPT + 2):
        published(f"r{number}", age_days=40 - number)
    for version, moved_by in (("reigned", "refresh"), ("newer", "training"), ("r0", "refresh"), ("r1", "refresh")):
        reign(version, moved_by)
    manifest, fit = await asyncio.to_thread(renew, filled_database_url, registry, quick_settings)
    assert fit
    left = set(registry.versions("models"))
    assert {"reigned", "newer", "r1", manifest.version} <= left
    assert "r0" not in left
    reign("reigned", "gateway")


async def test_without_a_champion_there_is_nothing_to_renew(database_url, registry, quick_settings):
    with pytest.raises(AliasConflict, match="no champion"):
        await asyncio.to_thread(renew, database_url, registry, quick_settings)
