"""A small model version whose answers can be told by heart, and ways to spoil it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
from safetensors.numpy import save_file

from evershelf.contracts.events import EventType
from evershelf.contracts.manifest import DataWindow, GateCheck, ModelManifest, ServingComponent, ServingConfig
from evershelf.registry.artifact import describe
from evershelf.registry.store import DirectoryRegistry, promote

IDS = ("mug", "pan", "lamp", "sofa")
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


def sound_tensors() -> dict[str, np.ndarray]:
    """mug -> pan .5, lamp .25; pan -> mug 1; lamp -> sofa 2; sofa has no row."""
    return {
        "rows.indptr": np.array([0, 2, 3, 4, 4], np.int64),
        "rows.indices": np.array([1, 2, 0, 3], np.int32),
        "rows.weights": np.array([0.5, 0.25, 1.0, 2.0], np.float32),
        "popularity": np.ones(4, np.float32),
    }


def model_folder(
    folder: Path, version: str, *, tensors: Mapping[str, np.ndarray] | None = None, ids: object = IDS, items: int = 4
) -> ModelManifest:
    """Writes a model's files into `folder` and returns a manifest with their true hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({**sound_tensors(), **(tensors or {})}, folder / "model.safetensors")
    (folder / "items.json").write_bytes(orjson.dumps(ids))
    window = DataWindow(
        since=BEGINNING, until=BEGINNING + timedelta(1), events=9, users=3, items=items, sha256="0" * 64
    )
    component = ServingComponent(name="rows", weight=1.0, half_life_events=2.0)
    return ModelManifest(
        version=version,
        created_at=BEGINNING,
        code_version="test",
        seed=7,
        algorithm="co-visitation",
        parameters={},
        data=window,
        items=items,
        serving=ServingConfig(components=(component,), event_weights=dict.fromkeys(EventType, 1.0)),
        metrics={"ndcg_at_20": 0.1},
        gate=(GateCheck(name="of_the_test", passed=True, detail=""),),
        files=describe(folder),
    )


def publish_champion(root: Path, version: str, **spoilt: object) -> DirectoryRegistry:
    """Publishes a model into the registry at `root` and points `champion` at it."""
    registry, folder = DirectoryRegistry(root), root.parent / f"made-{version}"
    registry.publish("models", model_folder(folder, version, **spoilt), folder)
    promote(registry, version, moved_by="test", reason="test")
    return registry


def flip_byte(path: Path, at: int = -1) -> None:
    """Turns one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
