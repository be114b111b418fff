"""The slot's promise: a good version takes over, a bad one never does, and the last good one outlives the registry."""

import shutil

import numpy as np
import pytest

from evershelf.contracts.health import DependencyState
from evershelf.inference.model_slot import ModelSlot
from evershelf.inference.settings import InferenceSettings
from evershelf.inference.telemetry import Telemetry
from evershelf.registry.store import promote, roll_back
from tests.inference.fake_model import flip_byte, publish_champion

NAN = {"tensors": {"rows.weights": np.full(4, np.nan, np.float32)}}


@pytest.fixture
def root(tmp_path):
    return tmp_path / "registry"


@pytest.fixture
def new_slot(tmp_path, root):
    """Starts a process' slot anew on the same disk; `refused()` counts the refusals it exposes."""

    def make(telemetry=None, **settings):
        chosen = {"registry": root, "inference_cache_dir": tmp_path / "cache", "inference_poll_s": 0.01, **settings}
        telemetry = telemetry or Telemetry()
        slot = ModelSlot(InferenceSettings(**chosen), telemetry)
        slot.refused = lambda: sum(
            float(line.split()[-1])
            for line in telemetry.exposition().decode().splitlines()
            if line.startswith("evershelf_inference_refused_loads_total")
        )
        return slot

    return make


def version_of(slot):
    slot.look()
    return slot.current and slot.current.version


def test_it_follows_the_champion_forward_and_back(root, new_slot):
    slot = new_slot()
    assert version_of(slot) is None
    registry = publish_champion(root, "m1")
    assert version_of(slot) == "m1"
    publish_champion(root, "m2")
    assert version_of(slot) == "m2"
    roll_back(registry, moved_by="test", reason="test")
    assert version_of(slot) == "m1"


def test_a_bad_champion_is_refused_and_the_former_one_stays(root, new_slot):
    publish_champion(root, "m1")
    slot = new_slot()
    slot.look()
    publish_champion(root, "m2", **NAN)
    assert version_of(slot) == "m1"
    assert slot.refused() == 1


def test_a_refused_version_is_not_tried_again_in_a_hot_loop(root, new_slot):
    publish_champion(root, "m1", **NAN)
    slot = new_slot(inference_poll_s=60)
    for _ in range(5):
        slot.look()
    assert slot.refused() == 1


def test_moving_the_alias_again_asks_for_another_try_at_once(root, new_slot):
    registry = publish_champion(root, "m1")
    spoilt = root / "models" / "m1" / "items.json"
    flip_byte(spoilt)
    slot = new_slot(inference_poll_s=60)
    assert version_of(slot) is None
    flip_byte(spoilt)  # mended
    promote(registry, "m1", moved_by="test", reason="mended")
    assert version_of(slot) == "m1"


def test_a_restart_without_the_registry_serves_the_last_good_version(root, new_slot):
    publish_champion(root, "m1")
    new_slot().look()
    shutil.rmtree(root)
    slot = new_slot()
    assert version_of(slot) == "m1"
    assert slot.registry_state.state is DependencyState.DOWN


def test_a_version_is_the_last_good_one_on_disk_before_it_serves(root, new_slot, tmp_path):
    class Witness(Telemetry):
        def serving(self, version, loaded_at_s):
            super().serving(version, loaded_at_s)
            self.on_disk = (tmp_path / "cache" / "last_good.json").read_text()

    publish_champion(root, "m1")
    slot = new_slot(witness := Witness())
    assert version_of(slot) == "m1"
    assert witness.on_disk == "m1"


def test_a_restart_onto_a_bad_champion_serves_the_last_good_version(root, new_slot):
    publish_champion(root, "m1")
    new_slot().look()
    publish_champion(root, "m2", **NAN)
    assert version_of(new_slot()) == "m1"


def test_a_last_good_version_that_rotted_is_not_served(root, new_slot, tmp_path):
    publish_champion(root, "m1")
    new_slot().look()
    shutil.rmtree(root)
    flip_byte(tmp_path / "cache" / "m1" / "model.safetensors")
    slot = new_slot()
    assert version_of(slot) is None
    assert slot.refused() == 1


@pytest.mark.parametrize("text", [b"../../registry", b"", b"m9", b"\xff\xfe\x00"])
def test_a_last_good_note_that_names_no_version_is_refused(new_slot, tmp_path, text):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "last_good.json").write_bytes(text)
    assert version_of(new_slot()) is None


def test_a_broken_alias_leaves_the_serving_version_alone(root, new_slot):
    publish_champion(root, "m1")
    slot = new_slot()
    slot.look()
    (root / "aliases" / "models" / "champion.json").write_bytes(b"{")
    assert version_of(slot) == "m1"
    assert slot.registry_state.state is DependencyState.DOWN


def test_the_cache_keeps_a_bounded_number_of_versions(root, new_slot, tmp_path):
    slot = new_slot(inference_versions_kept=2)
    for number in range(5):
        publish_champion(root, f"m{number}")
        slot.look()
    assert sorted(path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()) == ["m3", "m4"]


def test_a_version_larger_than_allowed_is_not_even_copied(root, new_slot, tmp_path):
    publish_champion(root, "m1")
    slot = new_slot(inference_model_bytes_max=100)
    assert version_of(slot) is None
    assert not (tmp_path / "cache" / "m1").exists()
