"""G21: none of the twelve bad models passes the gate: each is stopped at a named check, and again at the loading."""

import pytest

from evershelf.inference.model_slot import ModelSlot
from evershelf.inference.settings import InferenceSettings
from evershelf.inference.telemetry import Telemetry
from evershelf.registry.signatures import KeyRing
from evershelf.registry.store import DirectoryRegistry, promote
from evershelf.training.examination import examine_packaged, examine_published, surroundings_without_data
from evershelf.training.gate import failures
from evershelf.training.settings import TrainingSettings
from tests.inference.fake_model import flip_byte
from tests.training.bad_models import (
    BAD,
    IDS,
    MEMORY_BYTES_MAX,
    MODEL_BYTES_MAX,
    SIGNER,
    World,
    good,
    manifest,
    save,
)


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


def verdicts(checks):
    return {check.name: check.passed for check in checks}


def test_the_checklist_speaks_of_a_signature_only_where_one_was_verified(world, settings):
    # Promise: `signature: passed` means that a trusted key has signed; who trusts no key claims nothing.
    version = world.publish("signed-well", good(5))
    assert verdicts(examine_published(world.registry, version, settings))["signature"] is True
    assert "signature" not in verdicts(examine_published(world.unsigned, version, settings))


def test_a_fresh_model_that_nobody_will_trust_fails_by_its_signature(world, settings, tmp_path):
    # Promise: a training run whose registry has keys but signs with none of them is held, not published as sound.
    folder = tmp_path / "made"
    made = manifest(folder, "fresh", save(folder, good(6)))
    around = surroundings_without_data(world.registry, IDS, tmp_path)
    silent = DirectoryRegistry(world.root / "registry", keys=KeyRing([SIGNER.public_key]))
    for registry, passed in ((world.registry, True), (silent, False)):
        checks = examine_packaged(folder, made, registry, settings, around=around, item_ids=IDS)
        assert verdicts(checks)["signature"] is passed
    assert not (folder / "manifest.json").exists()


def test_a_champion_that_cannot_be_read_holds_whoever_comes_next(settings, tmp_path):
    # Promise: a gate that cannot compare passes nobody; the check says so.
    broken = World(tmp_path / "broken")
    flip_byte(broken.path("good") / "model.safetensors")
    checks = examine_published(broken.registry, broken.publish("next", good(7)), settings)
    assert failures(checks) == ("comparable",)


def force_champion(world, version):
    """Moves the alias as somebody with write access to the registry could, past every check."""
    pointer = world.unsigned.read_alias("models", "champion")
    with world.unsigned._aliases("models", "champion").lock():
        world.unsigned._aliases("models", "champion").move(
            "champion", version, expected_sequence=pointer.sequence, moved_by="test", reason="by force"
        )
