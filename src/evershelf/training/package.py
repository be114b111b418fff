"""Writes a fitted model as the files of a version: safetensors, the list of item ids, and the manifest."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson
from safetensors.numpy import save_file

from evershelf import __version__
from evershelf.contracts.manifest import ITEMS_NAME, MODEL_NAME, DataWindow, GateCheck, ModelManifest
from evershelf.models.interactions import SECONDS_PER_DAY
from evershelf.models.recommender import PRIOR, TREND
from evershelf.models.sparse_rows import Float64s
from evershelf.registry.artifact import describe
from evershelf.training.extract import TrainingData
from evershelf.training.fit import Fitted, Parameters

POPULARITY = "popularity"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model comes from and how it fared: what its manifest tells besides its files."""

    parameters: Parameters
    popularity_half_life_days: float | None
    seed: int
    candidates: int
    test_days: float
    metrics: dict[str, float]
    gate: tuple[GateCheck, ...]
    created_at: datetime


def write_files(folder: Path, fitted: Fitted, popularity: Float64s, item_ids: tuple[str, ...]) -> None:
    """The files of the version; the same model gives the same bytes."""
    tensors: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {
        POPULARITY: np.ascontiguousarray(popularity, np.float32)
    }
    for name, array in ((PRIOR, fitted.priors.prior), (TREND, fitted.priors.trend)):
        if array is not None:
            tensors[name] = np.ascontiguousarray(array, np.float32)
    for name, rows in fitted.rows.items():
        tensors |= {tensor: np.ascontiguousarray(array) for tensor, array in rows.tensors(name).items()}
    save_file(tensors, folder / MODEL_NAME)
    (folder / ITEMS_NAME).write_bytes(orjson.dumps(list(item_ids)))


def manifest_of(folder: Path, fitted: Fitted, data: TrainingData, provenance: Provenance) -> ModelManifest:
    """The manifest of the files in `folder`."""
    files = describe(folder)
    fingerprint = next(file.sha256 for file in files if file.name == MODEL_NAME)
    return ModelManifest(
        version=version_name(provenance.created_at, fingerprint),
        created_at=provenance.created_at,
        code_version=__version__,
        seed=provenance.seed,
        algorithm=f"item-item: {', '.join(fitted.rows)} ({fitted.neighbours})",
        parameters={
            **asdict(provenance.parameters),
            "popularity_half_life_days": provenance.popularity_half_life_days,
            "candidates": provenance.candidates,
            "test_days": round(provenance.test_days, 3),
        },
        data=_window(data),
        items=fitted.items,
        serving=fitted.serving,
        metrics=provenance.metrics,
        gate=provenance.gate,
        files=files,
    )


def version_name(created_at: datetime, fingerprint: str) -> str:
    """When it was made (to the millisecond: two runs of one second are two versions), and of which bytes."""
    return f"{created_at:%Y%m%dt%H%M%S}{created_at.microsecond // 1_000:03}-{fingerprint[:12]}"


def recipe_of(manifest: ModelManifest) -> tuple[Parameters, float | None]:
    """The parameters a version was fitted with, and the half-life (days) of its popularity."""
    names = Parameters.__dataclass_fields__
    kept = {name: value for name, value in manifest.parameters.items() if name in names}
    half_life_days = manifest.parameters.get("popularity_half_life_days")
    return Parameters(**kept), None if half_life_days is None else float(half_life_days)  # type: ignore[arg-type]  # written by manifest_of from the same fields


def _window(data: TrainingData) -> DataWindow:
    return DataWindow(
        since=datetime.fromtimestamp(float(data.interactions.days.min()) * SECONDS_PER_DAY, UTC),
        until=data.as_of,
        events=len(data.interactions),
        users=data.interactions.user_count,
        items=len(np.unique(data.interactions.items)),
        sha256=data.sha256(),
    )
