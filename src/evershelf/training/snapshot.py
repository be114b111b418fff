"""Builds the gateway's snapshot from PostgreSQL and publishes it as `current`."""

import asyncio
import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import orjson
from safetensors.numpy import load_file, save_file

from evershelf import __version__
from evershelf.contracts.manifest import ITEMS_NAME, MODEL_NAME, SNAPSHOT_NAME, SnapshotManifest
from evershelf.models.co_visitation import CoVisitationConfig, fit_co_visitation
from evershelf.models.content import ContentConfig, fit_content
from evershelf.models.related import RELATED_PER_ITEM, blended_rows, first_known, translated_rows
from evershelf.models.sparse_rows import Float64s, Int64s, InvalidModelError, SparseRows, rows_from_tensors
from evershelf.registry.aliases import BY_REFRESH, CHAMPION, CURRENT
from evershelf.registry.artifact import ArtifactRefused, describe
from evershelf.registry.store import Registry
from evershelf.storage.extract import extraction
from evershelf.training.extract import INTERACTION_TYPES, TrainingData, read_interactions
from evershelf.training.fit import FLAT_WEIGHTS, Fitter, learning_weights
from evershelf.training.package import version_name
from evershelf.training.shelf import (
    Shelf,
    collect,
    members_by_category,
    offerable,
    shelf_order,
    spread_over_categories,
)

POPULAR_MAX = 1_000
CATEGORY_POPULAR_MAX = 200
STATIC_MAX = 200
SNAPSHOTS_KEPT = 10
TIMEOUT_S = 600.0

Arrays = dict[str, npt.NDArray[np.generic]]


def refresh(url: str, registry: Registry, *, timeout_s: float = TIMEOUT_S) -> SnapshotManifest:
    """Publishes a snapshot of the whole catalog as it is now, moves `current` to it, and drops old ones.

    Raises:
        StorageError: the database cannot be read.
        AliasConflict: another refresh was quicker; its snapshot is as good.
    """
    now = datetime.now(UTC)
    shelf, data, sequence = asyncio.run(_read(url, now, timeout_s))
    arrays = build(shelf, data, _model_rows(registry, shelf), now_s=now.timestamp())
    pointer = registry.read_alias("snapshots", CURRENT)
    manifest = publish(registry, arrays, items=len(shelf.item_ids), sequence=sequence, now=now)
    registry.move_alias(
        "snapshots",
        CURRENT,
        manifest.version,
        expected_sequence=pointer.sequence if pointer else None,
        moved_by=BY_REFRESH,
        reason=f"catalog sequence {sequence}",
    )
    registry.prune("snapshots", keep=SNAPSHOTS_KEPT)
    return manifest


def build(shelf: Shelf, data: TrainingData, model_rows: SparseRows | None, *, now_s: float) -> Arrays:
    """All arrays of the snapshot. `data` is over the shelf's items; `model_rows` too, where there is a champion."""
    fitter = Fitter(data.interactions, now_days=data.end_days)
    all_time = fitter.popularity(None)
    current = fitter.prior()
    open_for_sale = offerable(shelf, now_s)
    # What cannot be offered now stands last, so that it is there should it come back before the next snapshot.
    scores = np.where(open_for_sale, current / max(current.max(initial=0.0), 1e-12), 0.0)
    order = _offerable_first(shelf_order(shelf, scores), open_for_sale)
    members = [part[:CATEGORY_POPULAR_MAX] for part in members_by_category(shelf, order)]
    lasting = _offerable_first(shelf_order(shelf, all_time), open_for_sale)
    return {
        **_catalog_arrays(shelf),
        "popular_indices": order[:POPULAR_MAX].astype(np.uint32),
        "popular_scores": scores[order[:POPULAR_MAX]].astype(np.float32),
        **_ragged("category_popular", members, np.uint32),
        "category_popular_scores": scores[_joined(members)].astype(np.float32),
        **_related_arrays(shelf, data, model_rows, members),
        "static_indices": spread_over_categories(shelf, lasting, STATIC_MAX).astype(np.uint32),
    }


async def _read(url: str, now: datetime, timeout_s: float) -> tuple[Shelf, TrainingData, int]:
    with tempfile.TemporaryDirectory(prefix="evershelf-snapshot-") as folder:
        path = Path(folder) / "interactions.csv"
        async with extraction(url, timeout_s=timeout_s) as view:
            sequence = await view.catalog_sequence()
            shelf = await collect(view.shelf())
            await view.copy_interactions(path, until=now, event_types=INTERACTION_TYPES)
        return shelf, read_interactions(path, shelf.item_ids, as_of=now), sequence


def _model_rows(registry: Registry, shelf: Shelf) -> SparseRows | None:
    """The champion's blend over the shelf's items; None where no champion can be read: the table does without."""
    try:
        champion = registry.read_alias("models", CHAMPION)
        if champion is None:
            return None
        with tempfile.TemporaryDirectory(prefix="evershelf-champion-") as folder:
            copy = registry.fetch("models", champion.version, Path(folder))
            manifest = registry.manifest("models", champion.version)
            tensors = load_file(copy / MODEL_NAME)
            model_ids: list[str] = orjson.loads((copy / ITEMS_NAME).read_bytes())
        serving = manifest.serving
        rows = {part.name: rows_from_tensors(tensors, part.name, manifest.items) for part in serving.components}
    except (ArtifactRefused, InvalidModelError, OSError):
        return None
    index_of = {item_id: index for index, item_id in enumerate(shelf.item_ids)}
    place_of = np.array([index_of.get(item_id, -1) for item_id in model_ids], np.int64)
    return translated_rows(blended_rows(rows, serving), place_of, len(shelf.item_ids))


def _related_arrays(shelf: Shelf, data: TrainingData, model_rows: SparseRows | None, members: list[Int64s]) -> Arrays:
    worth = learning_weights(data.interactions, FLAT_WEIGHTS)
    config = CoVisitationConfig(weights_per_row=RELATED_PER_ITEM)
    followed = fit_co_visitation(data.interactions, config, now_days=data.end_days, kind_weights=worth)
    events = np.bincount(data.interactions.items, minlength=len(shelf.item_ids)).astype(np.float64)
    alike = fit_content(shelf.features, events, ContentConfig(weights_per_row=RELATED_PER_ITEM))
    sources = [followed, alike, _same_category(shelf, members)]
    related = first_known([model_rows, *sources] if model_rows else sources)
    return {
        "related_indptr": related.indptr.astype(np.uint32),
        "related_indices": related.indices.astype(np.uint32),
        "related_scores": related.weights.astype(np.float32),
    }


def _same_category(shelf: Shelf, members: list[Int64s]) -> SparseRows:
    """What is popular in an item's most special category, falling evenly with the place in that list."""
    rows = []
    for index, numbers in enumerate(shelf.item_categories):
        special = max(numbers, key=lambda number: (shelf.categories[number].count("/"), -number), default=None)
        popular = members[special] if special is not None else np.empty(0, np.int64)
        rows.append(popular[popular != index][:RELATED_PER_ITEM])
    lengths = np.array([len(row) for row in rows], np.int64)
    places = [1.0 - np.arange(len(row)) / (RELATED_PER_ITEM + 1) for row in rows]
    weights: Float64s = np.concatenate([np.empty(0), *places])
    return SparseRows(_bounds(lengths), _joined(rows).astype(np.int32), weights.astype(np.float32))


def _catalog_arrays(shelf: Shelf) -> Arrays:
    numbers = [np.array(part, np.int64) for part in shelf.item_categories]
    return {
        **_texts("item_ids", [item_id.encode() for item_id in shelf.item_ids], np.uint32),
        **_texts("item_json", shelf.encoded, np.uint64),
        "available": shelf.available,
        "expires_at": shelf.expires_s,
        **_texts("categories", [path.encode() for path in shelf.categories], np.uint32),
        **_ragged("item_categories", numbers, np.uint32),
    }


def _texts(name: str, texts: list[bytes] | tuple[bytes, ...], dtype: type[np.uint32 | np.uint64]) -> Arrays:
    lengths = np.array([len(text) for text in texts], np.int64)
    return {name: np.frombuffer(b"".join(texts), np.uint8), f"{name}_offsets": _bounds(lengths).astype(dtype)}


def _ragged(name: str, rows: list[Int64s], dtype: type[np.uint32]) -> Arrays:
    lengths = np.array([len(row) for row in rows], np.int64)
    return {f"{name}_indptr": _bounds(lengths).astype(dtype), f"{name}_indices": _joined(rows).astype(dtype)}


def _bounds(lengths: Int64s) -> Int64s:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)


def _joined(rows: list[Int64s]) -> Int64s:
    return np.concatenate([np.empty(0, np.int64), *rows])


def _offerable_first(order: Int64s, open_for_sale: npt.NDArray[np.bool_]) -> Int64s:
    return np.concatenate((order[open_for_sale[order]], order[~open_for_sale[order]]))


def publish(registry: Registry, arrays: Arrays, *, items: int, sequence: int, now: datetime) -> SnapshotManifest:
    """Publishes built arrays as a version named after its time and bytes; no alias is moved."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    version = version_name(now, digest.hexdigest())
    metadata = {"version": version, "catalog_sequence": str(sequence), "created_at": now.isoformat()}
    with tempfile.TemporaryDirectory(prefix="evershelf-snapshot-") as name:
        folder = Path(name)
        save_file({key: np.ascontiguousarray(array) for key, array in arrays.items()}, folder / SNAPSHOT_NAME, metadata)
        manifest = SnapshotManifest(
            version=version,
            created_at=now,
            code_version=__version__,
            items=items,
            catalog_sequence=sequence,
            files=describe(folder),
        )
        registry.publish("snapshots", manifest, folder)
    return manifest
