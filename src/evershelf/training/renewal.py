"""Renews the champion in seconds: what follows what, popularity and trend of now, on the neighbours it has."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
from safetensors.numpy import load_file

from evershelf.contracts.manifest import ITEMS_NAME, MODEL_NAME, GateCheck, ModelManifest
from evershelf.models.pruning import WEIGHTS_PER_ROW
from evershelf.models.related import translated_rows
from evershelf.models.sparse_rows import SparseRows, rows_from_tensors
from evershelf.registry.aliases import BY_REFRESH, CHAMPION, AliasConflict
from evershelf.registry.store import Registry
from evershelf.training.examination import examine_packaged, surroundings_without_data
from evershelf.training.extract import TrainingData
from evershelf.training.fit import NEIGHBOURS, Fitter
from evershelf.training.gate import accepted, against_window, failures, passed
from evershelf.training.package import Provenance, manifest_of, recipe_of, write_files
from evershelf.training.pipeline import load
from evershelf.training.profile import profile_of
from evershelf.training.settings import TrainingSettings
from evershelf.training.validate import require, validate

RENEWED = "renewed"
# The newest so many versions stay, whatever they are; older renewals go, unless an alias names them.
RENEWALS_KEPT = 10
# So do the renewals that reigned when one of the last so many models took over.
WAYS_BACK_KEPT = 3


class RenewalRefusedError(Exception):
    """The champion is one that fresh counts must not make look sound."""


def renew(
    url: str, registry: Registry, settings: TrainingSettings, *, as_of: datetime | None = None
) -> tuple[ModelManifest, bool]:
    """Publishes the champion's recipe with fresh counts; champion if it passes the gate, which the second value tells.

    Nothing is chosen and nothing measured anew: figures and quality are those of the training run. The packaged version
    is examined like any other.

    Raises:
        AliasConflict: there is no champion, or another one reigns by now.
        ArtifactRefused: the champion cannot be read.
        DataRefusedError: the data cannot teach a model.
        RenewalRefusedError: the champion was promoted past a check of the gate.
        StorageError: the database cannot be read.
    """
    pointer = registry.read_alias("models", CHAMPION)
    if pointer is None:
        raise AliasConflict("there is no champion to renew")
    champion = registry.manifest("models", pointer.version)
    if not passed(accepted(champion.gate)):
        held = ", ".join(failures(champion.gate))
        raise RenewalRefusedError(f"{champion.version} was promoted past the gate ({held}): train a model to renew")
    data = load(url, settings, as_of=as_of)
    require(validate(data, settings))
    manifest = _published(registry, champion, data, settings)
    fit = passed(manifest.gate)
    if fit:
        registry.move_alias(
            "models",
            CHAMPION,
            manifest.version,
            expected_sequence=pointer.sequence,
            moved_by=BY_REFRESH,
            reason=f"fresh counts for {champion.version}",
        )
    _prune(registry)
    return manifest, fit


def _prune(registry: Registry) -> None:
    trained = {
        version
        for version in registry.versions("models")
        if all(check.name != RENEWED for check in registry.manifest("models", version).gate)
    }
    registry.prune("models", keep=RENEWALS_KEPT, spared=trained | _ways_back(registry))


def _ways_back(registry: Registry) -> set[str]:
    """The champions that the last few moves replaced by another model: a gateway still on watch rolls back to them.

    The alias `previous` does not name them once the new champion has been renewed.
    """
    moves = registry.alias_history("models", CHAMPION)
    replaced = [former.version for former, move in pairwise(moves) if move.moved_by != BY_REFRESH]
    return set(replaced[-WAYS_BACK_KEPT:])


def _published(
    registry: Registry, champion: ModelManifest, data: TrainingData, settings: TrainingSettings
) -> ModelManifest:
    parameters, half_life_days = recipe_of(champion)
    fitter = Fitter(data.interactions, now_days=data.end_days, features=data.features)
    with tempfile.TemporaryDirectory(prefix="evershelf-renewal-") as name:
        place, folder = Path(name), Path(name) / "made"
        folder.mkdir()
        kept = _neighbours(registry, champion, data.item_ids, place)
        fitted = fitter.fit(parameters, neighbours=kept)
        # Confidence was learned on the tuning window, and its table belongs to the recipe.
        fitted = replace(fitted, serving=champion.serving) if set(fitted.rows) == _names(champion) else fitted
        write_files(folder, fitted, fitter.popularity(half_life_days), data.item_ids)
        made = manifest_of(folder, fitted, data, _provenance(champion, half_life_days))
        around = surroundings_without_data(registry, data.item_ids, place)
        examined = examine_packaged(folder, made, registry, settings, around=around, item_ids=data.item_ids)
        profile = profile_of(data.interactions)
        gate = (*made.gate, *against_window(profile, champion.profile), *examined)
        manifest = made.model_copy(update={"gate": gate, "profile": profile})
        registry.publish("models", manifest, folder)
    return manifest


def _neighbours(
    registry: Registry, champion: ModelManifest, item_ids: tuple[str, ...], place: Path
) -> SparseRows | None:
    """The champion's neighbours over the items of now; None where it has none."""
    if NEIGHBOURS not in _names(champion):
        return None
    folder = registry.fetch("models", champion.version, place)
    rows = rows_from_tensors(load_file(folder / MODEL_NAME), NEIGHBOURS, champion.items)
    old_ids: list[str] = orjson.loads((folder / ITEMS_NAME).read_bytes())
    index_of = {item_id: index for index, item_id in enumerate(item_ids)}
    place_of = np.array([index_of.get(item_id, -1) for item_id in old_ids], np.int64)
    return translated_rows(rows, place_of, len(item_ids), per_row=WEIGHTS_PER_ROW)


def _names(champion: ModelManifest) -> set[str]:
    return {component.name for component in champion.serving.components}


def _provenance(champion: ModelManifest, half_life_days: float | None) -> Provenance:
    parameters, _ = recipe_of(champion)
    detail = f"recipe, neighbours and figures are those of {champion.version}"
    told = GateCheck(name=RENEWED, passed=True, detail=detail)
    return Provenance(
        parameters=parameters,
        popularity_half_life_days=half_life_days,
        seed=champion.seed,
        candidates=0,
        test_days=0.0,
        metrics=champion.metrics,
        gate=(told,),
        created_at=datetime.now(UTC),
    )
