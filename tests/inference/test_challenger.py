"""Champion and challenger side by side: each answers when it is asked for, and a bad challenger harms nobody."""

import numpy as np
import pytest

from evershelf.inference.artifact_loader import size_bytes_of
from evershelf.inference.model_slot import ModelSlot
from evershelf.inference.settings import InferenceSettings
from evershelf.inference.telemetry import Telemetry
from evershelf.registry.store import promote
from tests.inference.fake_model import model_folder, publish_champion
from tests.inference.test_rank import Running, create_app, query, settings

MOVE = {"moved_by": "test", "reason": "test"}


@pytest.fixture
def registry(tmp_path):
    registry = publish_champion(tmp_path / "registry", "m1")
    publish(registry, tmp_path, "m2")
    return registry


def publish(registry, tmp_path, version, **spoilt):
    registry.publish(
        "models", model_folder(tmp_path / f"made-{version}", version, **spoilt), tmp_path / f"made-{version}"
    )


def challenge(registry, version):
    pointer = registry.read_alias("models", "challenger")
    sequence = pointer.sequence if pointer else None
    registry.move_alias("models", "challenger", version, expected_sequence=sequence, **MOVE)


@pytest.fixture
def slot(tmp_path):
    chosen = {"registry": tmp_path / "registry", "inference_cache_dir": tmp_path / "cache", "inference_poll_s": 0.01}
    return ModelSlot(InferenceSettings(**chosen), Telemetry())


def names(slot):
    slot.look()
    return [model and model.version for model in (slot.current, slot.challenger)]


def test_each_is_found_by_alias_and_by_version_and_the_unknown_by_the_champion(registry, slot):
    challenge(registry, "m2")
    assert names(slot) == ["m1", "m2"]
    found = {name: slot.find(name).version for name in (None, "champion", "challenger", "m1", "m2", "m9")}
    assert found == {None: "m1", "champion": "m1", "challenger": "m2", "m1": "m1", "m2": "m2", "m9": "m1"}


def test_a_promoted_challenger_is_the_champion_without_being_loaded_again(registry, slot):
    challenge(registry, "m2")
    slot.look()
    loaded = slot.challenger
    promote(registry, "m2", **MOVE)
    assert names(slot) == ["m2", None]
    assert slot.current is loaded


def test_pointing_the_challenger_at_the_champion_lets_it_go(registry, slot):
    challenge(registry, "m2")
    slot.look()
    challenge(registry, "m1")
    assert names(slot) == ["m1", None]


def test_a_bad_challenger_is_refused_and_the_champion_serves_on(registry, slot, tmp_path):
    publish(registry, tmp_path, "m3", tensors={"rows.weights": np.full(4, np.nan, np.float32)})
    challenge(registry, "m3")
    assert names(slot) == ["m1", None]
    assert slot.find("challenger").version == "m1"


def test_both_together_stay_inside_their_bound(registry, tmp_path):
    # Promise: a challenger beyond it is not even copied.
    challenge(registry, "m2")
    chosen = {"registry": tmp_path / "registry", "inference_cache_dir": tmp_path / "cache"}
    one_bytes = size_bytes_of(registry.manifest("models", "m1"))
    slot = ModelSlot(InferenceSettings(**chosen, inference_models_bytes_max=2 * one_bytes - 1), Telemetry())
    assert names(slot) == ["m1", None]
    assert not (tmp_path / "cache" / "m2").exists()


async def test_a_request_names_who_shall_answer_and_the_reply_says_who_did(registry, tmp_path):
    challenge(registry, "m2")
    async with Running(create_app(settings(tmp_path))) as server:
        await server.ready()
        answered = {}
        for _ in range(500):
            for name in ("champion", "challenger", "m9"):
                reply = await server.client.post(
                    "/v1/rank", json={"queries": [query("mug")]}, headers={"X-Evershelf-Model": name}
                )
                answered[name] = reply.json()["model_version"]
            if answered["challenger"] == "m2":
                break
        assert answered == {"champion": "m1", "challenger": "m2", "m9": "m1"}
