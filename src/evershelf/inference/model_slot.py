"""Holds the model that serves, follows the champion alias, and never lets go of a good one for a bad one."""

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from evershelf.contracts.health import DependencyState
from evershelf.contracts.manifest import AliasPointer
from evershelf.inference.artifact_loader import LoadedModel, check_size, load_model
from evershelf.inference.settings import InferenceSettings
from evershelf.inference.telemetry import Telemetry
from evershelf.registry.aliases import CHAMPION
from evershelf.registry.artifact import ArtifactRefused, Refusal, write_durably
from evershelf.registry.store import DirectoryRegistry, checked_version, discard, discard_abandoned

LAST_GOOD_NAME = "last_good.json"
_DOUBLINGS_MAX = 20


@dataclass(frozen=True, slots=True)
class RegistryState:
    """What the last look at the registry found, and when that state began (seconds since the epoch)."""

    state: DependencyState
    since_s: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class _Refused:
    """A move of the alias that led to a refusal, and when (monotonic) to look at it again."""

    sequence: int
    times: int
    again_at_s: float


class ModelSlot:
    """`current` is read by the event loop and replaced, in one assignment, by the thread that watches the registry."""

    def __init__(self, settings: InferenceSettings, telemetry: Telemetry) -> None:
        self.current: LoadedModel | None = None
        self.registry_state = RegistryState(DependencyState.UNKNOWN, None, "not looked at yet")
        self._settings = settings
        self._telemetry = telemetry
        self._registry = DirectoryRegistry(settings.registry)
        self._cache = settings.inference_cache_dir
        self._refused: _Refused | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-slot", daemon=True)
        self._log = structlog.get_logger(__name__)

    def start(self) -> None:
        """Begins to follow the alias; the first version is loaded in the thread too."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a load under way is waited for within the grace time, then left to die with the process."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._settings.inference_grace_s)

    def look(self) -> None:
        """One look at the alias: loads what it names unless that serves already or was refused a short while ago."""
        try:
            pointer = self._registry.read_alias("models", CHAMPION)
        except ArtifactRefused as refusal:
            self._note_registry(DependencyState.DOWN, refusal.detail)
            pointer = None
        else:
            self._note_alias(pointer)
        if pointer is not None and self._is_wanted(pointer):
            self._take(pointer)
        if self.current is None:
            self._take_last_good()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - a boundary: whatever a version does, the watch goes on
                self._log.error("model_watch_failed", error=type(error).__name__, detail=str(error))
            self._stopping.wait(self._settings.inference_poll_s)

    def _note_alias(self, pointer: AliasPointer | None) -> None:
        if pointer is not None:
            self._note_registry(DependencyState.UP, f"champion is {pointer.version}")
        elif self._settings.registry.is_dir():
            self._note_registry(DependencyState.UP, "no champion was named yet")
        else:
            self._note_registry(DependencyState.DOWN, "the registry's folder is not there")

    def _is_wanted(self, pointer: AliasPointer) -> bool:
        if self.current is not None and self.current.version == pointer.version:
            return False
        refused = self._refused
        # Moving the alias again, even to the same version, is an operator's wish to try again now.
        return refused is None or refused.sequence != pointer.sequence or time.monotonic() >= refused.again_at_s

    def _take(self, pointer: AliasPointer) -> None:
        try:
            # Before anything is copied: the size is bounded, and the manifest sound.
            check_size(self._registry.manifest("models", pointer.version), self._settings.inference_model_bytes_max)
            folder = self._registry.fetch("models", pointer.version, self._cache)
            model = load_model(folder, self._settings.inference_model_bytes_max)
        except ArtifactRefused as refusal:
            self._refuse(pointer, refusal.reason, refusal.detail)
        except (OSError, MemoryError) as error:
            self._refuse(pointer, Refusal.FILES, type(error).__name__)
        else:
            self._remember(model.version)  # first: what has served once is there after a kill, too
            self._serve(model)

    def _refuse(self, pointer: AliasPointer, reason: Refusal, detail: str) -> None:
        again = self._refused is not None and self._refused.sequence == pointer.sequence
        times = min(self._refused.times + 1, _DOUBLINGS_MAX) if self._refused and again else 1
        wait_s = min(self._settings.inference_poll_s * 2**times, self._settings.inference_refusal_wait_s_max)
        self._refused = _Refused(pointer.sequence, times, time.monotonic() + wait_s)
        self._telemetry.refused(reason)
        kept = self.current.version if self.current else None
        self._log.error(
            "model_refused", version=pointer.version, reason=reason, detail=detail, kept=kept, wait_s=wait_s
        )

    def _serve(self, model: LoadedModel) -> None:
        former = self.current.version if self.current else None
        self.current = model
        self._refused = None
        self._telemetry.serving(model.version, model.loaded_at_s)
        self._log.info("model_serving", version=model.version, former=former, items=model.manifest.items)

    def _remember(self, version: str) -> None:
        """Names the version as the last good one on our own disk, and lets older copies go."""
        pointer = self._cache / LAST_GOOD_NAME
        try:
            incoming = pointer.with_suffix(".incoming")
            write_durably(incoming, version.encode())
            incoming.rename(pointer)
            folders = sorted((path for path in self._cache.iterdir() if path.is_dir()), key=_modified_at)
            for folder in folders[: -self._settings.inference_versions_kept]:
                if folder.name != version and not folder.name.startswith("."):
                    discard(folder)
            discard_abandoned(self._cache)
        except OSError as error:
            # The version serves all the same; only a restart without the registry would miss it.
            self._log.warning("model_not_remembered", version=version, error=type(error).__name__)

    def _take_last_good(self) -> None:
        try:
            version = checked_version((self._cache / LAST_GOOD_NAME).read_text(errors="replace"))
            model = load_model(self._cache / version, self._settings.inference_model_bytes_max)
        except FileNotFoundError:
            return
        except ArtifactRefused as refusal:
            self._telemetry.refused(refusal.reason)
            self._log.error("last_good_refused", reason=refusal.reason, detail=refusal.detail)
            (self._cache / LAST_GOOD_NAME).unlink(missing_ok=True)
        else:
            self._serve(model)

    def _note_registry(self, state: DependencyState, detail: str) -> None:
        since_s = self.registry_state.since_s if state is self.registry_state.state else time.time()
        self.registry_state = RegistryState(state, since_s, detail)


def _modified_at(path: Path) -> float:
    return path.stat().st_mtime
