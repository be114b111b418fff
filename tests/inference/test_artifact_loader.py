"""The loader's promise: what it returns ranks soundly; everything else is refused with a reason."""

import numpy as np
import pytest

from evershelf.inference.artifact_loader import load_model
from evershelf.registry.artifact import ArtifactRefused, Refusal, write_durably
from tests.inference.fake_model import IDS, flip_byte, model_folder

SIZE_BYTES_MAX = 10_000


def load(folder, size_bytes_max=SIZE_BYTES_MAX, **spoilt):
    manifest = model_folder(folder, "m1", **spoilt)
    write_durably(folder / "manifest.json", manifest.model_dump_json().encode())
    return load_model(folder, size_bytes_max)


def test_a_sound_version_is_loaded_whole(tmp_path):
    model = load(tmp_path / "m1")
    assert (model.version, model.item_ids, model.index_of["sofa"]) == ("m1", IDS, 3)
    assert model.recommender.items == 4


WEIGHTS = "rows.weights"
SPOILT = [
    ({WEIGHTS: np.array([0.5, np.nan, 1, 2], np.float32)}, Refusal.TENSORS),
    ({WEIGHTS: np.array([0.5, np.inf, 1, 2], np.float32)}, Refusal.TENSORS),
    ({WEIGHTS: np.array([0.5, 1e38, 1, 2], np.float32)}, Refusal.TENSORS),  # finite, but sums would not be
    ({WEIGHTS: np.array([0.5, 0.25, 1], np.float32)}, Refusal.TENSORS),
    ({WEIGHTS: np.array([0.5, 0.25, 1, 2], np.float64)}, Refusal.TENSORS),
    ({WEIGHTS: np.ones((2, 2), np.float32)}, Refusal.TENSORS),
    ({"rows.indices": np.array([1, 2, 0, 4], np.int32)}, Refusal.TENSORS),
    ({"rows.indices": np.array([1, 2, 0, -1], np.int32)}, Refusal.TENSORS),
    ({"rows.indptr": np.array([0, 3, 2, 4, 4], np.int64)}, Refusal.TENSORS),
    ({"rows.indptr": np.array([0, 2, 3, 4], np.int64)}, Refusal.TENSORS),
    ({"rows.indptr": np.array([0, 2, 3, 4, 2**40], np.int64)}, Refusal.TENSORS),
    ({"rows.indptr": np.empty(0, np.int64)}, Refusal.TENSORS),
    ({"popularity": np.ones(3, np.float32)}, Refusal.TENSORS),
    ({"popularity": np.array([1, 1, 1, np.nan], np.float32)}, Refusal.TENSORS),
    ({WEIGHTS: np.zeros(4, np.float32)}, Refusal.WARM_UP),
]


@pytest.mark.parametrize(("tensors", "reason"), SPOILT)
def test_arrays_that_must_not_serve_are_refused_although_their_hashes_are_right(tmp_path, tensors, reason):
    with pytest.raises(ArtifactRefused) as refused:
        load(tmp_path / "m1", tensors=tensors)
    assert refused.value.reason is reason


@pytest.mark.parametrize("ids", [IDS[:3], (*IDS[:3], "mug"), (*IDS[:3], 4), (*IDS[:3], ""), {"a": 1}, "mug", []])
def test_a_list_of_items_that_does_not_fit_is_refused(tmp_path, ids):
    with pytest.raises(ArtifactRefused) as refused:
        load(tmp_path / "m1", ids=ids)
    assert refused.value.reason is Refusal.ITEMS


def test_an_empty_model_is_refused(tmp_path):
    empty = {
        "rows.indptr": np.zeros(1, np.int64),
        "rows.indices": np.empty(0, np.int32),
        "rows.weights": np.empty(0, np.float32),
        "popularity": np.empty(0, np.float32),
    }
    with pytest.raises(ArtifactRefused):
        load(tmp_path / "m1", tensors=empty, ids=[], items=0)


@pytest.mark.parametrize("name", ["model.safetensors", "items.json"])
def test_one_turned_bit_is_refused(tmp_path, name):
    load(tmp_path / "m1")
    flip_byte(tmp_path / "m1" / name)
    with pytest.raises(ArtifactRefused) as refused:
        load_model(tmp_path / "m1", SIZE_BYTES_MAX)
    assert refused.value.reason is Refusal.HASH


def test_a_version_that_would_fill_the_memory_is_refused_unread(tmp_path):
    with pytest.raises(ArtifactRefused) as refused:
        load(tmp_path / "m1", size_bytes_max=100)
    assert refused.value.reason is Refusal.SIZE
