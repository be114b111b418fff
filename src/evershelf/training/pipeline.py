"""One training run: extract, check, split, choose, measure, fit on everything, package, publish, promote if it may."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from evershelf.contracts.manifest import GateCheck, ModelManifest
from evershelf.models.sparse_rows import Float64s
from evershelf.registry.aliases import CHAMPION
from evershelf.registry.store import Registry, promote
from evershelf.training.evaluate import Case, Comparison, cases, compare
from evershelf.training.extract import TrainingData, extract
from evershelf.training.fit import Fitted, Fitter, Parameters
from evershelf.training.gate import gate, passed
from evershelf.training.package import Provenance, manifest_of, recipe_of, write_files
from evershelf.training.selection import Selection, select_parameters, select_popularity
from evershelf.training.settings import TrainingSettings
from evershelf.training.split import Split, split_by_time
from evershelf.training.validate import DataCheck, require, validate

TUNE_USERS_MAX = 1_500
TEST_USERS_MAX = 10_000


class Step(StrEnum):
    """What a run is doing, for whoever watches."""

    EXTRACT = "extract"
    CHECK = "check"
    SELECT = "select"
    MEASURE = "measure"
    FIT = "fit"
    PUBLISH = "publish"


OnStep = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model fitted on everything, and how the same recipe fared on the test window."""

    fitted: Fitted
    popularity: Float64s
    popularity_half_life_days: float | None
    selection: Selection
    comparison: Comparison
    gate: tuple[GateCheck, ...]
    test_days: float


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What a run came to."""

    manifest: ModelManifest
    promoted: bool
    comparison: Comparison
    checks: tuple[DataCheck, ...]


def train(
    url: str,
    registry: Registry,
    settings: TrainingSettings,
    *,
    as_of: datetime | None = None,
    on_step: OnStep = lambda _: None,
) -> TrainingOutcome:
    """Publishes a model version made from the events before `as_of`, and makes it champion if it passes the gate.

    Raises:
        DataRefusedError: the data cannot teach a model.
        StorageError: the database cannot be read.
    """
    on_step(Step.EXTRACT)
    data = load(url, settings, as_of=as_of)
    on_step(Step.CHECK)
    checks = validate(data, settings)
    require(checks)
    trained = learn(data, settings, on_step=on_step)
    on_step(Step.PUBLISH)
    manifest = publish(registry, trained, data, settings)
    promoted = passed(trained.gate)
    if promoted:
        promote(registry, manifest.version, moved_by="training", reason="passed the gate")
    return TrainingOutcome(manifest, promoted, trained.comparison, checks)


def load(url: str, settings: TrainingSettings, *, as_of: datetime | None = None) -> TrainingData:
    """The events before `as_of` (default: now). Raises StorageError."""
    instant = as_of or datetime.now(UTC)
    return asyncio.run(extract(url, as_of=instant, timeout_s=settings.training_extract_timeout_s))


def learn(data: TrainingData, settings: TrainingSettings, *, on_step: OnStep = lambda _: None) -> Trained:
    """Chooses on the tuning window, measures on the test window, fits on everything. No I/O; repeatable by seed."""
    deadline_s = time.monotonic() + settings.training_time_limit_s
    split = split_by_time(data.interactions, test_days=settings.training_test_days)
    on_step(Step.SELECT)
    selection, half_life_days = choose(split, settings, deadline_s=deadline_s)
    on_step(Step.MEASURE)
    tested, comparison = measure(split, selection.parameters, half_life_days, settings)
    on_step(Step.FIT)
    final = Fitter(data.interactions, now_days=data.end_days)
    return Trained(
        final.fit(selection.parameters),
        final.popularity(half_life_days),
        half_life_days,
        selection,
        comparison,
        gate(tested, comparison, coverage_min=settings.training_coverage_min),
        test_days=data.end_days - split.test_since_days,
    )


def choose(split: Split, settings: TrainingSettings, *, deadline_s: float) -> tuple[Selection, float | None]:
    """The best parameters and the best half-life of popularity, both by the tuning window only."""
    fitter = Fitter(split.train, now_days=split.tune_since_days)
    measured: list[Case] = cases(
        split.train,
        split.tune,
        now_days=split.tune_since_days,
        limit=TUNE_USERS_MAX,
        seed=settings.training_seed,
    )
    selection = select_parameters(
        fitter, measured, candidates_max=settings.training_candidates_max, deadline_s=deadline_s
    )
    return selection, select_popularity(fitter, measured)


def measure(
    split: Split, parameters: Parameters, half_life_days: float | None, settings: TrainingSettings
) -> tuple[Fitted, Comparison]:
    """The recipe, fitted on what came before the test window and compared with popularity in it."""
    fitter = Fitter(split.before_test, now_days=split.test_since_days)
    fitted = fitter.fit(parameters)
    measured = cases(
        split.before_test,
        split.test,
        now_days=split.test_since_days,
        limit=TEST_USERS_MAX,
        seed=settings.training_seed,
    )
    popularity = fitter.popularity(half_life_days)
    return fitted, compare(fitted.recommender(), popularity, measured, seed=settings.training_seed)


def publish(registry: Registry, trained: Trained, data: TrainingData, settings: TrainingSettings) -> ModelManifest:
    """Packages the model and stores it as a new version."""
    provenance = Provenance(
        parameters=trained.selection.parameters,
        popularity_half_life_days=trained.popularity_half_life_days,
        seed=settings.training_seed,
        candidates=trained.selection.candidates,
        test_days=trained.test_days,
        metrics=trained.comparison.metrics(),
        gate=trained.gate,
        created_at=datetime.now(UTC),
    )
    with tempfile.TemporaryDirectory(prefix="evershelf-model-") as name:
        folder = Path(name)
        write_files(folder, trained.fitted, trained.popularity, data.item_ids)
        manifest = manifest_of(folder, trained.fitted, data, provenance)
        registry.publish("models", manifest, folder)
    return manifest


def evaluate(
    url: str,
    registry: Registry,
    settings: TrainingSettings,
    *,
    as_of: datetime | None = None,
    on_step: OnStep = lambda _: None,
) -> tuple[Comparison, str | None]:
    """The champion's recipe (or, without a champion, a fresh choice) measured on the test window, and its version.

    The recipe is fitted again on what came before the window: the champion itself has learned from the window.

    Raises:
        DataRefusedError: the data cannot teach a model.
        StorageError: the database cannot be read.
    """
    on_step(Step.EXTRACT)
    data = load(url, settings, as_of=as_of)
    require(validate(data, settings))
    split = split_by_time(data.interactions, test_days=settings.training_test_days)
    champion = registry.read_alias("models", CHAMPION)
    on_step(Step.SELECT)
    if champion is None:
        deadline_s = time.monotonic() + settings.training_time_limit_s
        selection, half_life_days = choose(split, settings, deadline_s=deadline_s)
        parameters = selection.parameters
    else:
        parameters, half_life_days = recipe_of(registry.manifest("models", champion.version))
    on_step(Step.MEASURE)
    _, comparison = measure(split, parameters, half_life_days, settings)
    return comparison, champion.version if champion else None
