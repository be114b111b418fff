"""G21: none of the twelve bad models passes the gate: each is stopped at a named check, and again at the loading."""

import pytest

from evershelf.inference.model_slot import ModelSlot
from evershelf.inference.settings import InferenceSettings
from evershelf.inference.telemetry import Telemetry
from evershelf.registry.store import promote
from evershelf.training.examination import examine_published
from evershelf.training.gate import failures
from evershelf.training.settings import TrainingSettings
from tests.training.bad_models import BAD, MEMORY_BYTES_MAX, MODEL_BYTES_MAX, SIGNER, World, good


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("bad-models"))


@pytest.fixture(scope="module")
def settings(world):
    """The budgets of the gate; the time allowed is a multiple of what a good model takes on this machine, now."""
    roomy = TrainingSettings(
        training_gate_memory_bytes_max=MEMORY_BYTES_MAX, training_gate_model_bytes_max=MODEL_BYTES_MAX
    )
    checks = examine_published(world.registry, world.publish("good-too", good(9)), roomy)
    assert not failures(checks), checks  # a benign retrain passes, beside its champion
    taken_ms = float(next(check.detail for check in checks if check.name == "latency").split()[0])
    return roomy.model_copy(update={"training_gate_cpu_ms_max": 2.5 * taken_ms})


@pytest.mark.parametrize(("make", "check", "refusal"), BAD, ids=[make.__name__ for make, _, _ in BAD])
def test_a_bad_model_is_stopped(world, settings, tmp_path, make, check, refusal):
    version = make(world)
    stopped = failures(examine_published(world.registry, version, settings))
    assert check in stopped
    slot = ModelSlot(
        InferenceSettings(
            registry=world.root / "registry",
            registry_public_keys=SIGNER.public_key,
            inference_cache_dir=tmp_path / "cache",
            inference_model_bytes_max=MODEL_BYTES_MAX,
        ),
        Telemetry(),
    )
    slot.look()
    assert slot.current.version == "good"
    if refusal is not None:  # somebody promoted it past the gate
        force_champion(world, version)
        slot.look()
        assert slot.current.version == "good"
        assert slot.refusals["champion"] == refusal
        promote(world.registry, "good", moved_by="test", reason="test")


def force_champion(world, version):
    """Moves the alias as somebody with write access to the registry could, past every check."""
    pointer = world.unsigned.read_alias("models", "champion")
    with world.unsigned._aliases("models", "champion").lock():
        world.unsigned._aliases("models", "champion").move(
            "champion", version, expected_sequence=pointer.sequence, moved_by="test", reason="by force"
        )
