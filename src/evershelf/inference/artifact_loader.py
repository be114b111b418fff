"""Turns the files of a model version into a recommender that is proved to rank, or refuses them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load_file

from evershelf.contracts.events import EventType
from evershelf.contracts.identifiers import ItemId
from evershelf.contracts.inference import HISTORY_MAX
from evershelf.contracts.manifest import ITEMS_NAME, MODEL_NAME, ModelManifest
from evershelf.models.recommender import PRIOR, TREND, ItemItemRecommender
from evershelf.models.sparse_rows import InvalidModelError
from evershelf.registry.artifact import ArtifactRefused, Refusal, verify
from evershelf.registry.manifests import read_manifest
from evershelf.registry.signatures import NO_KEYS, KeyRing

POPULARITY = "popularity"
WARM_UP_ITEMS_MAX = 64
WARM_UP_K = 20
# A score is a sum of at most HISTORY_MAX terms and travels as float32 (largest 3.4e38).
SCORE_MAX = 1e30

Tensors = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model version in memory, verified and warm."""

    manifest: ModelManifest
    item_ids: tuple[str, ...]
    index_of: Mapping[str, int]
    recommender: ItemItemRecommender
    loaded_at_s: float  # since the epoch

    @property
    def version(self) -> str:
        return self.manifest.version


def load_model(folder: Path, size_bytes_max: int, keys: KeyRing = NO_KEYS) -> LoadedModel:
    """The model of a version folder: hashes, arrays and ids checked, some rankings done.

    Raises:
        ArtifactRefused: anything about it is not as it must be.
    """
    manifest = read_manifest(folder, ModelManifest, keys)
    check_size(manifest, size_bytes_max)
    verify(folder, manifest.files)
    item_ids = _item_ids(folder / ITEMS_NAME, manifest.items)
    tensors = _tensors(folder / MODEL_NAME)
    _check_popularity(tensors, manifest.items)
    try:
        recommender = ItemItemRecommender.from_tensors(tensors, manifest.serving, manifest.items)
    except InvalidModelError as error:
        raise ArtifactRefused(Refusal.TENSORS, str(error)) from error
    _check_scores_bounded(manifest, tensors)
    _warm_up(recommender, tensors)
    return LoadedModel(
        manifest=manifest,
        item_ids=item_ids,
        index_of={item_id: index for index, item_id in enumerate(item_ids)},
        recommender=recommender,
        loaded_at_s=time.time(),
    )


def check_size(manifest: ModelManifest, size_bytes_max: int) -> None:
    """Refuses a version that would fill the memory, before a byte of it is copied."""
    size_bytes = size_bytes_of(manifest)
    if size_bytes > size_bytes_max:
        raise ArtifactRefused(Refusal.SIZE, f"{size_bytes} bytes, {size_bytes_max} are allowed")


def size_bytes_of(manifest: ModelManifest) -> int:
    """What the files of a version add up to."""
    return sum(file.size_bytes for file in manifest.files)


def _item_ids(path: Path, items: int) -> tuple[str, ...]:
    try:
        ids = TypeAdapter(tuple[ItemId, ...]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactRefused(Refusal.ITEMS, f"{path.name} is no list of item ids") from error
    if not ids or len(ids) != items or len(set(ids)) != items:
        raise ArtifactRefused(Refusal.ITEMS, f"{len(set(ids))} distinct ids of {len(ids)} for {items} items")
    return ids


def _tensors(path: Path) -> Tensors:
    try:
        tensors: Tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ArtifactRefused(Refusal.CONTAINER, f"{path.name} is no safetensors file") from error
    return tensors


def _check_popularity(tensors: Tensors, items: int) -> None:
    popularity = tensors.get(POPULARITY)
    if popularity is None or popularity.dtype != np.float32 or popularity.shape != (items,):
        raise ArtifactRefused(Refusal.TENSORS, f"no {POPULARITY} float32[{items}]")
    if not np.all(np.isfinite(popularity)):
        raise ArtifactRefused(Refusal.TENSORS, f"{POPULARITY} is not finite")


def _check_scores_bounded(manifest: ModelManifest, tensors: Tensors) -> None:
    # Finite weights can still add up to infinity; what no history can exceed is known beforehand.
    serving = manifest.serving
    largest = sum(
        component.weight * float(np.max(tensors[f"{component.name}.weights"], initial=0))
        for component in serving.components
    )
    bound = HISTORY_MAX * largest * max(serving.event_weights.values(), default=0.0)
    bound *= float(np.max(tensors[TREND], initial=0)) if serving.trend else 1.0
    bound += serving.prior_weight * float(np.max(tensors[PRIOR], initial=0)) if serving.prior_weight else 0.0
    if not bound < SCORE_MAX:
        raise ArtifactRefused(Refusal.TENSORS, f"scores up to {bound:.3g} are possible")


def _warm_up(recommender: ItemItemRecommender, tensors: Tensors) -> None:
    """Ranks for items spread over the catalog: memory is touched, and the model proves that it ranks."""
    lengths = sum(np.diff(tensors[f"{part.name}.indptr"]) for part in recommender.serving.components)
    rows = np.flatnonzero(lengths)
    weights = recommender.event_weights([max(EventType, key=lambda kind: _weight_of(recommender, kind))])
    sample = rows[:: max(1, len(rows) // WARM_UP_ITEMS_MAX)][:WARM_UP_ITEMS_MAX]
    ranked = [recommender.rank(sample[at : at + 1], weights, np.zeros(1), k=WARM_UP_K) for at in range(len(sample))]
    if not any(len(one.items) for one in ranked):
        raise ArtifactRefused(Refusal.WARM_UP, "it ranks nothing for any of its items")
    for one in ranked:
        if not np.all(np.isfinite(one.scores)) or np.any(np.diff(one.scores) > 0):
            raise ArtifactRefused(Refusal.WARM_UP, "its scores are not finite or not in order")


def _weight_of(recommender: ItemItemRecommender, kind: EventType) -> float:
    return recommender.serving.event_weights.get(kind, 0.0)
