"""Brings a version before the gate: one that was just packaged, or one in the registry that shall be promoted."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import orjson

from evershelf.contracts.events import EventType
from evershelf.contracts.inference import EXCLUDED_MAX, Interaction, RankQuery
from evershelf.contracts.manifest import ITEMS_NAME, MANIFEST_NAME, SNAPSHOT_NAME, GateCheck, ModelManifest
from evershelf.models.interactions import EVENT_TYPES, SECONDS_PER_DAY
from evershelf.models.sparse_rows import Float64s
from evershelf.registry.aliases import CHAMPION, CURRENT
from evershelf.registry.artifact import ArtifactRefused, manifest_bytes, write_durably
from evershelf.registry.store import Registry
from evershelf.registry.tensors import Tensors, open_tensors
from evershelf.training.evaluate import Case
from evershelf.training.inspection import CHECK_OF_REFUSAL, Surroundings, comparable, inspect
from evershelf.training.probation import LIST_LENGTH
from evershelf.training.settings import TrainingSettings

HISTORIES_MAX = 500
# A list of the most popular is compared after what a user had is taken off it.
POPULAR_KEPT = LIST_LENGTH + EXCLUDED_MAX


def examine_packaged(
    folder: Path,
    manifest: ModelManifest,
    registry: Registry,
    settings: TrainingSettings,
    *,
    around: Surroundings,
    item_ids: Sequence[str],
) -> tuple[GateCheck, ...]:
    """The checks of the files in `folder`, held against the reigning champion's answers to the same histories.

    The manifest is signed for the time of it, so that the check of the signature speaks of the key that will sign.
    """
    with tempfile.TemporaryDirectory(prefix="evershelf-champion-") as place:
        written = folder / MANIFEST_NAME
        write_durably(written, manifest_bytes(registry.signed(manifest)))
        try:
            champion, troubles = _champion(registry, Path(place))
            keys = registry.public_keys
            checks = inspect(folder, champion, around, settings, item_ids=item_ids, public_keys=keys)
        finally:
            written.unlink()
    return (*checks, *troubles)


def examine_published(registry: Registry, version: str, settings: TrainingSettings) -> tuple[GateCheck, ...]:
    """The checks of a version in the registry, before a promotion by hand: no database, only what the registry holds.

    A version that cannot even be fetched fails the one check that stopped it. Checks of quality that failed when it was
    made are part of the answer.
    """
    with tempfile.TemporaryDirectory(prefix="evershelf-candidate-") as place:
        try:
            folder = registry.fetch("models", version, Path(place))
            manifest = registry.manifest("models", version)
        except ArtifactRefused as refusal:
            return (GateCheck(name=CHECK_OF_REFUSAL[refusal.reason], passed=False, detail=refusal.detail),)
        item_ids = _item_ids(folder)
        around = surroundings_without_data(registry, item_ids, Path(place))
        champion, troubles = _champion(registry, Path(place), other_than=version)
        keys = registry.public_keys
        checks = inspect(folder, champion, around, settings, item_ids=item_ids, public_keys=keys)
    return (*(check for check in manifest.gate if not check.passed), *checks, *troubles)


def surroundings_of(
    measured: Sequence[Case], popularity: Float64s, item_ids: Sequence[str], *, seed: int
) -> Surroundings:
    """Real histories of users, drawn at random, and what was popular, for a model that was just fitted."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(measured))[:HISTORIES_MAX]
    order = np.lexsort((np.arange(len(popularity)), -popularity))[:POPULAR_KEPT]
    return Surroundings(
        tuple(_query(measured[place], item_ids) for place in chosen),
        tuple(item_ids[index] for index in order),
        frozenset(item_ids),
    )


def surroundings_without_data(registry: Registry, item_ids: Sequence[str], place: Path) -> Surroundings:
    """Histories made of the model's own items, held against the snapshot in use, if there is one."""
    popular, catalog = _offered(registry, place)
    order = np.random.default_rng(0).permutation(len(item_ids))[: 2 * HISTORIES_MAX]
    pairs = [order[at : at + 2] for at in range(0, len(order), 2)]
    histories = tuple(
        RankQuery(
            history=tuple(
                Interaction(item_id=item_ids[index], event_type=EventType.VIEW_ITEM, age_s=3_600.0 * age)
                for age, index in enumerate(pair)
            ),
            k=LIST_LENGTH,
        )
        for pair in pairs
    )
    return Surroundings(histories, popular, catalog)


def _champion(
    registry: Registry, place: Path, *, other_than: str | None = None
) -> tuple[Path | None, tuple[GateCheck, ...]]:
    """A verified copy of the champion where another one reigns, and the failed check where it cannot be read."""
    try:
        pointer = registry.read_alias("models", CHAMPION)
        if pointer is None or pointer.version == other_than:
            return None, ()
        return registry.fetch("models", pointer.version, place), ()
    except ArtifactRefused as refusal:
        return None, (comparable(refusal.detail),)


def _query(case: Case, item_ids: Sequence[str]) -> RankQuery:
    history = tuple(
        Interaction(
            item_id=item_ids[item], event_type=EVENT_TYPES[kind], age_s=max(0.0, float(age_days) * SECONDS_PER_DAY)
        )
        for item, kind, age_days in zip(case.items, case.kinds, case.ages_days, strict=True)
    )
    hidden = tuple(item_ids[item] for item in case.seen[:EXCLUDED_MAX])
    return RankQuery(history=history, k=LIST_LENGTH, exclude=hidden)


def _item_ids(folder: Path) -> list[str]:
    """The model's items, or none: then loading it fails too, and says why."""
    try:
        found = orjson.loads((folder / ITEMS_NAME).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return []
    sound = isinstance(found, list) and all(isinstance(item_id, str) and 0 < len(item_id) <= 128 for item_id in found)
    return found if sound else []


def _offered(registry: Registry, place: Path) -> tuple[tuple[str, ...], frozenset[str] | None]:
    """The most popular items of the snapshot in use and all its items."""
    try:
        pointer = registry.read_alias("snapshots", CURRENT)
        if pointer is None:
            return (), None
        tensors = open_tensors(registry.fetch("snapshots", pointer.version, place) / SNAPSHOT_NAME)
        ids = _texts(tensors, "item_ids")
        popular = tuple(ids[index] for index in tensors.integers("popular_indices")[:POPULAR_KEPT])
    except ArtifactRefused:
        return (), None
    return popular, frozenset(ids) or None


def _texts(tensors: Tensors, name: str) -> list[str]:
    offsets, data = tensors.integers(f"{name}_offsets"), bytes(tensors.integers(name))
    return [data[offsets[at] : offsets[at + 1]].decode() for at in range(len(offsets) - 1)]
