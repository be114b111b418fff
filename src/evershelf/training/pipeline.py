"""One training run: extract, check, split, choose, measure, fit on everything, package, publish, promote if it may."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from evershelf.contracts.manifest import CANARY_STAGES, GateCheck, ModelManifest, RolloutPlan
from evershelf.models.content import Features
from evershelf.models.sparse_rows import Float64s
from evershelf.registry.aliases import CHAMPION
from evershelf.registry.store import Registry, challenge
from evershelf.training.confidence import Confidence, learn_confidence
from evershelf.training.duel import Duel, fight
from evershelf.training.evaluate import Case, Comparison, cases, compare
from evershelf.training.examination import examine_packaged, surroundings_of
from evershelf.training.extract import TrainingData, extract
from evershelf.training.fit import Fitted, Fitter, Parameters
from evershelf.training.gate import Reign, accepted, against_window, gate, passed
from evershelf.training.package import Provenance, manifest_of, recipe_of, write_files
from evershelf.training.profile import profile_of
from evershelf.training.report import report_of, write_report
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
    EXAMINE = "examine"
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
    duel: Duel | None
    gate: tuple[GateCheck, ...]
    test_days: float
    measured: list[Case]


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What a run came to."""

    manifest: ModelManifest
    promoted: bool
    challenging: bool
    comparison: Comparison
    checks: tuple[DataCheck, ...]


def train(
    url: str,
    registry: Registry,
    settings: TrainingSettings,
    *,
    as_of: datetime | None = None,
    accept_gain: bool = False,
    on_step: OnStep = lambda _: None,
) -> TrainingOutcome:
    """Publishes a model version made from the events before `as_of`, and makes it champion if it passes the gate.

    With `accept_gain`, a gain over the champion that is too good to be true does not hold it back.

    Raises:
        DataRefusedError: the data cannot teach a model.
        StorageError: the database cannot be read.
    """
    # Whoever moves the alias while we learn, such as an operator who rolls back, is not overruled.
    before = registry.read_alias("models", CHAMPION)
    on_step(Step.EXTRACT)
    data = load(url, settings, as_of=as_of)
    on_step(Step.CHECK)
    checks = validate(data, settings)
    require(checks)
    trained = learn(data, settings, champion=reigning(registry), on_step=on_step)
    on_step(Step.EXAMINE)
    manifest = publish(registry, trained, data, settings, checks=checks, accept_gain=accept_gain)
    on_step(Step.PUBLISH)
    fit = passed(manifest.gate)
    # The first model has nobody to be tried against.
    tried = fit and settings.training_promotion == "canary" and trained.duel is not None
    if tried:
        challenge(
            registry, manifest.version, RolloutPlan(stages=CANARY_STAGES), moved_by="training", reason="passed the gate"
        )
    elif fit:
        reason = "passed the gate, its gain accepted by the operator" if accept_gain else "passed the gate"
        expected_sequence = before.sequence if before else None
        registry.move_alias(
            "models",
            CHAMPION,
            manifest.version,
            expected_sequence=expected_sequence,
            moved_by="training",
            reason=reason,
        )
    return TrainingOutcome(manifest, fit and not tried, tried, trained.comparison, checks)


def load(url: str, settings: TrainingSettings, *, as_of: datetime | None = None) -> TrainingData:
    """The events before `as_of` (default: now). Raises StorageError."""
    instant = as_of or datetime.now(UTC)
    return asyncio.run(extract(url, as_of=instant, timeout_s=settings.training_extract_timeout_s))


def reigning(registry: Registry) -> ModelManifest | None:
    """The champion's manifest, or None where none was ever named.

    Raises ArtifactRefused where it cannot be read: a gate that cannot compare must not pass.
    """
    champion = registry.read_alias("models", CHAMPION)
    return None if champion is None else registry.manifest("models", champion.version)


def learn(
    data: TrainingData,
    settings: TrainingSettings,
    *,
    champion: ModelManifest | None = None,
    on_step: OnStep = lambda _: None,
) -> Trained:
    """Chooses on the tuning window, measures on the test window, fits on everything. No I/O; repeatable by seed."""
    deadline_s = time.monotonic() + settings.training_time_limit_s
    split = split_by_time(data.interactions, test_days=settings.training_test_days)
    on_step(Step.SELECT)
    selection, half_life_days, confidence = choose(split, settings, deadline_s=deadline_s, features=data.features)
    on_step(Step.MEASURE)
    tested, comparison = measure(split, selection.parameters, half_life_days, settings, features=data.features)
    measured = cases_of(split, settings)
    duel = None
    if champion is not None:
        duel = defend(champion, split, tested, measured, seed=settings.training_seed, features=data.features)
    on_step(Step.FIT)
    final = Fitter(data.interactions, now_days=data.end_days, features=data.features)
    fitted = final.fit(selection.parameters)
    return Trained(
        replace(fitted, serving=confidence.put_into(fitted.serving)),
        final.popularity(half_life_days),
        half_life_days,
        selection,
        comparison,
        duel,
        (
            *gate(
                tested,
                comparison,
                coverage_min=settings.training_coverage_min,
                reign=Reign(champion, duel) if champion and duel else None,
            ),
            *against_window(profile_of(data.interactions), champion.profile if champion else None),
        ),
        test_days=data.end_days - split.test_since_days,
        measured=measured,
    )


def defend(
    champion: ModelManifest,
    split: Split,
    tested: Fitted,
    measured: list[Case],
    *,
    seed: int,
    features: Features | None = None,
) -> Duel:
    """The champion's recipe, fitted on what came before the test window, against the new one in it."""
    parameters, _ = recipe_of(champion)
    theirs = Fitter(split.before_test, now_days=split.test_since_days, features=features).fit(parameters)
    return fight(champion.version, theirs.recommender(), tested.recommender(), measured, seed=seed)


def choose(
    split: Split, settings: TrainingSettings, *, deadline_s: float, features: Features | None = None
) -> tuple[Selection, float | None, Confidence]:
    """The best parameters, the best half-life of popularity and the confidence, all by the tuning window only."""
    fitter = Fitter(split.train, now_days=split.tune_since_days, features=features)
    measured: list[Case] = cases(
        split.train,
        split.tune,
        now_days=split.tune_since_days,
        limit=TUNE_USERS_MAX,
        seed=settings.training_seed,
    )
    selection = select_parameters(
        fitter,
        measured,
        candidates_max=settings.training_candidates_max,
        deadline_s=deadline_s,
        seed=settings.training_seed,
    )
    half_life_days = select_popularity(fitter, measured)
    chosen = fitter.fit(selection.parameters).recommender()
    return selection, half_life_days, learn_confidence(chosen, fitter.popularity(half_life_days), measured)


def measure(
    split: Split,
    parameters: Parameters,
    half_life_days: float | None,
    settings: TrainingSettings,
    *,
    features: Features | None = None,
) -> tuple[Fitted, Comparison]:
    """The recipe, fitted on what came before the test window and compared with popularity in it."""
    fitter = Fitter(split.before_test, now_days=split.test_since_days, features=features)
    fitted = fitter.fit(parameters)
    popularity = fitter.popularity(half_life_days)
    measured = cases_of(split, settings)
    return fitted, compare(fitted.recommender(), popularity, measured, seed=settings.training_seed)


def cases_of(split: Split, settings: TrainingSettings) -> list[Case]:
    """The users of the test window."""
    return cases(
        split.before_test,
        split.test,
        now_days=split.test_since_days,
        limit=TEST_USERS_MAX,
        seed=settings.training_seed,
    )


def publish(
    registry: Registry,
    trained: Trained,
    data: TrainingData,
    settings: TrainingSettings,
    *,
    checks: tuple[DataCheck, ...] = (),
    accept_gain: bool = False,
) -> ModelManifest:
    """Packages the model and its report, examines what was packaged, and stores it with the whole checklist."""
    provenance = Provenance(
        parameters=trained.selection.parameters,
        popularity_half_life_days=trained.popularity_half_life_days,
        seed=settings.training_seed,
        candidates=trained.selection.candidates,
        test_days=trained.test_days,
        metrics=trained.comparison.metrics() | (trained.duel.metrics() if trained.duel else {}),
        gate=trained.gate,
        created_at=datetime.now(UTC),
    )
    with tempfile.TemporaryDirectory(prefix="evershelf-model-") as name:
        folder = Path(name)
        write_files(folder, trained.fitted, trained.popularity, data.item_ids)
        report = report_of(
            data, checks, trained.selection, trained.comparison, trained.fitted.serving, seed=settings.training_seed
        )
        write_report(folder, report)
        manifest = manifest_of(folder, trained.fitted, data, provenance)
        seed = settings.training_seed
        around = surroundings_of(trained.measured, trained.popularity, data.item_ids, seed=seed)
        examined = examine_packaged(folder, manifest, registry, settings, around=around, item_ids=data.item_ids)
        passes = (*trained.gate, *examined)
        manifest = manifest.model_copy(
            update={"gate": accepted(passes) if accept_gain else passes, "profile": profile_of(data.interactions)}
        )
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
        selection, half_life_days, _ = choose(split, settings, deadline_s=deadline_s, features=data.features)
        parameters = selection.parameters
    else:
        parameters, half_life_days = recipe_of(registry.manifest("models", champion.version))
    on_step(Step.MEASURE)
    _, comparison = measure(split, parameters, half_life_days, settings, features=data.features)
    return comparison, champion.version if champion else None
