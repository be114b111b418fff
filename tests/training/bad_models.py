"""Twelve bad model versions (and a good one), each spoilt in one way only, published into a registry that signs."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
from safetensors.numpy import save_file

from evershelf.contracts.events import EventType
from evershelf.contracts.manifest import (
    DataWindow,
    GateCheck,
    ModelManifest,
    ServingComponent,
    ServingConfig,
    SnapshotManifest,
)
from evershelf.registry.artifact import describe
from evershelf.registry.signatures import KeyRing, Signer
from evershelf.registry.store import DirectoryRegistry, promote

ITEMS, GROUPS, WEIGHTS_A_ROW = 600, 20, 20
IDS = tuple(f"item-{number:04}" for number in range(ITEMS))
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
SIGNER = Signer("5e" * 32)
PASSED = (GateCheck(name="of_the_test", passed=True, detail=""),)
MIB = 2**20
# What the gate of the tests allows; the bad ones break it by a wide margin.
MODEL_BYTES_MAX, MEMORY_BYTES_MAX = 64 * MIB, 64 * MIB

Arrays = dict[str, np.ndarray]


def rows_of(lists: list[np.ndarray], weights: list[np.ndarray], name: str = "rows") -> Arrays:
    """The three tensors of one component."""
    bounds = np.concatenate(([0], np.cumsum([len(row) for row in lists]))).astype(np.int64)
    return {
        f"{name}.indptr": bounds,
        f"{name}.indices": np.concatenate(lists).astype(np.int32),
        f"{name}.weights": np.concatenate(weights).astype(np.float32),
    }


def good(seed: int = 1) -> Arrays:
    """Every item leads to items of its own group, by weights that differ a little from seed to seed."""
    shape, noise = np.random.default_rng(0), np.random.default_rng(seed)
    lists, weights = [], []
    for item in range(ITEMS):
        group = np.flatnonzero(np.arange(ITEMS) % GROUPS == item % GROUPS)
        chosen = shape.permutation(group[group != item])[:WEIGHTS_A_ROW]
        lists.append(chosen)
        weights.append(np.sort(shape.random(WEIGHTS_A_ROW))[::-1] + 0.01 * noise.random(WEIGHTS_A_ROW))
    return rows_of(lists, weights) | {"popularity": popularity()}


def popularity() -> np.ndarray:
    return (1.0 / (1.0 + np.arange(ITEMS))).astype(np.float32)


def alike(weights: np.ndarray, count: int = 50) -> Arrays:
    """Every item leads to the same items."""
    each = np.arange(count)
    return rows_of([each] * ITEMS, [weights[:count]] * ITEMS) | {"popularity": popularity()}


def dense(components: int) -> Arrays:
    """Every item leads to every item, several times over."""
    random = np.random.default_rng(2)
    found: Arrays = {"popularity": popularity()}
    for number in range(components):
        lists = [np.arange(ITEMS)] * ITEMS
        found |= rows_of(lists, [random.random(ITEMS) for _ in lists], f"rows_{number}")
    return found


def save(folder: Path, arrays: Mapping[str, np.ndarray], ids: tuple[str, ...] = IDS) -> ServingConfig:
    """Writes the files, and says how to serve them."""
    folder.mkdir(parents=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "model.safetensors")
    (folder / "items.json").write_bytes(orjson.dumps(ids))
    names = sorted({name.partition(".")[0] for name in arrays if name.endswith(".indptr")})
    components = tuple(ServingComponent(name=name, weight=1.0, half_life_events=4.0) for name in names)
    return ServingConfig(components=components, event_weights=dict.fromkeys(EventType, 1.0))


def manifest(folder: Path, version: str, serving: ServingConfig, items: int = ITEMS) -> ModelManifest:
    window = DataWindow(
        since=BEGINNING, until=BEGINNING + timedelta(1), events=9, users=3, items=items, sha256="0" * 64
    )
    return ModelManifest(
        version=version, created_at=BEGINNING, code_version="test", seed=1, algorithm="test", parameters={},
        data=window, items=items, serving=serving, metrics={}, gate=PASSED, files=describe(folder),
    )  # fmt: skip


class World:
    """A registry that trusts one key, with a snapshot of the catalog and a good champion."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        keys = KeyRing([SIGNER.public_key])
        self.registry = DirectoryRegistry(root / "registry", keys=keys, signer=SIGNER)
        self.unsigned = DirectoryRegistry(root / "registry")
        self._publish_snapshot()
        self.publish("good", good())
        promote(self.registry, "good", moved_by="test", reason="test")

    def publish(
        self, version: str, arrays: Arrays, *, ids: tuple[str, ...] = IDS, registry: DirectoryRegistry | None = None
    ) -> str:
        folder = self.root / f"made-{version}"
        serving = save(folder, arrays, ids)
        return (registry or self.registry).publish("models", manifest(folder, version, serving, len(ids)), folder)

    def path(self, version: str) -> Path:
        return self.root / "registry" / "models" / version

    def _publish_snapshot(self) -> None:
        folder = self.root / "made-snapshot"
        folder.mkdir()
        text = "".join(IDS).encode()
        offsets = np.concatenate(([0], np.cumsum([len(item_id) for item_id in IDS]))).astype(np.uint32)
        arrays = {
            "item_ids": np.frombuffer(text, np.uint8),
            "item_ids_offsets": offsets,
            "popular_indices": np.arange(200, dtype=np.uint32),
        }
        save_file(arrays, folder / "snapshot.safetensors")
        snapshot = SnapshotManifest(
            version="s1",
            created_at=BEGINNING,
            code_version="test",
            items=ITEMS,
            catalog_sequence=1,
            files=describe(folder),
        )
        self.registry.publish("snapshots", snapshot, folder)
        self.registry.move_alias("snapshots", "current", "s1", expected_sequence=None, moved_by="test", reason="test")


def nan(world: World) -> str:
    """One weight in a hundred is not a number: every answer stays finite, and a little worse."""
    arrays = good()
    arrays["rows.weights"][::100] = np.nan
    return world.publish("nan", arrays)


def constant(world: World) -> str:
    return world.publish("constant", alike(np.ones(50)))


def empty(world: World) -> str:
    arrays = rows_of([np.empty(0)] * ITEMS, [np.empty(0)] * ITEMS)
    return world.publish("empty", arrays | {"popularity": popularity()})


def slow(world: World) -> str:
    return world.publish("slow", dense(8))


def huge(world: World) -> str:
    return world.publish("huge", good() | {"padding": np.zeros(MODEL_BYTES_MAX // 4, np.float32)})


def crashing(world: World) -> str:
    """A sound container with a number format that the reading library does not know."""
    folder = world.root / "made-crashing"
    serving = save(folder, good())
    path = folder / "model.safetensors"
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    end = len(content) - 8 - size
    header["extra"] = {"dtype": "F8_E8M0", "shape": [8], "data_offsets": [end, end + 8]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :] + bytes(8))
    return world.registry.publish("models", manifest(folder, "crashing", serving), folder)


def wrong_shape(world: World) -> str:
    arrays = good()
    return world.publish("wrong-shape", arrays | {"rows.indptr": arrays["rows.indptr"][:-5]})


def stale_ids(world: World) -> str:
    return world.publish("stale-ids", good(), ids=tuple(f"gone-{number:04}" for number in range(ITEMS)))


def corrupt_byte(world: World) -> str:
    version = world.publish("corrupt-byte", good(3))
    path = world.path(version) / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return version


def unsigned(world: World) -> str:
    return world.publish("unsigned", good(4), registry=world.unsigned)


def popularity_clone(world: World) -> str:
    return world.publish("popularity-clone", alike(popularity(), 200))


def memory_hog(world: World) -> str:
    """Small files that become many objects."""
    count = 250_000
    ids = tuple(f"{number:0100}" for number in range(count))
    arrays = good()
    tail = np.full(count - ITEMS, arrays["rows.indptr"][-1], np.int64)
    arrays |= {
        "rows.indptr": np.concatenate((arrays["rows.indptr"], tail)),
        "popularity": np.ones(count, np.float32),
    }
    return world.publish("memory-hog", arrays, ids=ids)


# Each bad model, the check of the gate that stops it, and why inference refuses to load it, where it does.
BAD: tuple[tuple[Callable[[World], str], str, str | None], ...] = (
    (nan, "arrays", "tensors"),
    (constant, "distinct_lists", None),
    (empty, "ranks", "warm_up"),
    (slow, "latency", None),
    (huge, "size", "size"),
    (crashing, "survives", "crash"),
    (wrong_shape, "arrays", "tensors"),
    (stale_ids, "known_items", None),
    (corrupt_byte, "integrity", "hash"),
    (unsigned, "signature", "signature"),
    (popularity_clone, "overlap_with_popularity", None),
    (memory_hog, "memory", None),
)
