"""Holds the models that serve, follows their aliases, and never lets go of a good one for a bad one."""

import threading
import time
from dataclasses import dataclass

import structlog

from evershelf.contracts.health import DependencyState
from evershelf.contracts.manifest import AliasPointer
from evershelf.inference.artifact_loader import LoadedModel, check_size, load_model, size_bytes_of
from evershelf.inference.model_cache import ModelCache
from evershelf.inference.settings import InferenceSettings
from evershelf.inference.telemetry import Telemetry
from evershelf.registry.aliases import CHALLENGER, CHAMPION
from evershelf.registry.artifact import ArtifactRefused, Refusal
from evershelf.registry.opening import open_registry
from evershelf.registry.settings import split_keys
from evershelf.registry.signatures import KeyRing

_DOUBLINGS_MAX = 20


@dataclass(frozen=True, slots=True)
class RegistryState:
    """What the last look at the registry found, and when that state began (seconds since the epoch)."""

    state: DependencyState
    since_s: float | None
    detail: str


@dataclass(frozen=True, slots=True)
class _Refused:
    """A move of an alias that led to a refusal, and when (monotonic) to look at it again."""

    sequence: int
    times: int
    again_at_s: float
    reason: Refusal


class ModelSlot:
    """`current` (the champion) and `challenger` are read by the event loop and replaced, each in one assignment, by the
    thread that watches the registry. There is a challenger only beside a champion, and only another version.
    """

    def __init__(self, settings: InferenceSettings, telemetry: Telemetry) -> None:
        self.current: LoadedModel | None = None
        self.challenger: LoadedModel | None = None
        self.registry_state = RegistryState(DependencyState.UNKNOWN, None, "not looked at yet")
        self._settings = settings
        self._telemetry = telemetry
        self._registry = open_registry(settings)
        self._keys = KeyRing(split_keys(settings.registry_public_keys))
        self._cache = ModelCache(settings.inference_cache_dir, settings.inference_versions_kept)
        self._refused: dict[str, _Refused] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-slot", daemon=True)
        self._log = structlog.get_logger(__name__)

    def start(self) -> None:
        """Begins to follow the aliases; the first version is loaded in the thread too."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a load under way is waited for within the grace time, then left to die with the process."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._settings.inference_grace_s)

    def find(self, name: str | None) -> LoadedModel | None:
        """The model asked for by alias or version. What is not loaded is answered by the champion, which says so."""
        challenger = self.challenger
        if challenger is not None and name in {CHALLENGER, challenger.version}:
            return challenger
        return self.current

    @property
    def refusals(self) -> dict[str, Refusal]:
        """By alias, why the version that it names is not served, if so."""
        return {alias: refused.reason for alias, refused in self._refused.items()}

    def look(self) -> None:
        """One look at the aliases: loads what they name unless that serves or was refused a short while ago."""
        champion = self._read(CHAMPION)
        if champion is not None and self._is_wanted(CHAMPION, champion):
            self._take_champion(champion)
        if self.current is None:
            self._take_last_good()
        self._look_at_challenger()

    def _look_at_challenger(self) -> None:
        pointer = None if self.current is None else self._read(CHALLENGER)
        if self.current is None or pointer is None:
            return  # a registry that is away says nothing: the challenger stays
        if pointer.version == self.current.version:
            self._let_challenger_go()
        elif self._is_wanted(CHALLENGER, pointer):
            model = self._load(CHALLENGER, pointer)
            if model is not None:
                self.challenger = model
                self._telemetry.challenging(model.version)
                self._log.info("challenger_serving", version=model.version, items=model.manifest.items)
            elif self.challenger is not None and self.challenger.version != pointer.version:
                self._let_challenger_go()  # nobody wants the former one any more

    def _let_challenger_go(self) -> None:
        if self.challenger is not None:
            self._log.info("challenger_gone", version=self.challenger.version)
        self.challenger = None
        self._telemetry.challenging(None)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - a boundary: whatever a version does, the watch goes on
                self._log.error("model_watch_failed", error=type(error).__name__, detail=str(error))
            self._stopping.wait(self._settings.inference_poll_s)

    def _read(self, alias: str) -> AliasPointer | None:
        try:
            pointer = self._registry.read_alias("models", alias)
        except ArtifactRefused as refusal:
            self._note_registry(DependencyState.DOWN, refusal.detail)
            return None
        if alias == CHAMPION:
            self._note_champion(pointer)
        return pointer

    def _note_champion(self, pointer: AliasPointer | None) -> None:
        if pointer is not None:
            self._note_registry(DependencyState.UP, f"champion is {pointer.version}")
        elif self._registry.reachable():
            self._note_registry(DependencyState.UP, "no champion was named yet")
        else:
            self._note_registry(DependencyState.DOWN, "the registry is not there")

    def _is_wanted(self, alias: str, pointer: AliasPointer) -> bool:
        serving = self.current if alias == CHAMPION else self.challenger
        if serving is not None and serving.version == pointer.version:
            return False
        refused = self._refused.get(alias)
        # Moving the alias again, even to the same version, is an operator's wish to try again now.
        return refused is None or refused.sequence != pointer.sequence or time.monotonic() >= refused.again_at_s

    def _take_champion(self, pointer: AliasPointer) -> None:
        challenger = self.challenger
        promoted = challenger is not None and challenger.version == pointer.version
        model = challenger if promoted else self._load(CHAMPION, pointer)
        if model is None:
            return
        # First: what has served once is there after a kill, too.
        problem = self._cache.remember(model.version)
        if problem is not None:
            self._log.warning("model_not_remembered", version=model.version, error=problem)
        self._serve(model)
        if promoted:
            self._let_challenger_go()

    def _load(self, alias: str, pointer: AliasPointer) -> LoadedModel | None:
        """The model of the version, verified and warm; None if it was refused, which is counted."""
        beside = self.current if alias == CHALLENGER else None
        try:
            # Before anything is copied: the size is bounded, and the manifest sound.
            manifest = self._registry.manifest("models", pointer.version)
            check_size(manifest, self._settings.inference_model_bytes_max)
            if beside is not None:
                taken_bytes = size_bytes_of(beside.manifest)
                check_size(manifest, self._settings.inference_models_bytes_max - taken_bytes)
            folder = self._registry.fetch("models", pointer.version, self._cache.folder)
            model = load_model(folder, self._settings.inference_model_bytes_max, self._keys)
        except ArtifactRefused as refusal:
            self._refuse(alias, pointer, refusal.reason, refusal.detail)
        except (OSError, MemoryError) as error:
            self._refuse(alias, pointer, Refusal.FILES, type(error).__name__)
        except Exception as error:  # noqa: BLE001 - the source boundary: no version may end the watch or be tried for ever
            self._refuse(alias, pointer, Refusal.CRASH, f"{type(error).__name__}: {error}")
        else:
            self._refused.pop(alias, None)
            return model
        return None

    def _refuse(self, alias: str, pointer: AliasPointer, reason: Refusal, detail: str) -> None:
        before = self._refused.get(alias)
        again = before is not None and before.sequence == pointer.sequence
        times = min(before.times + 1, _DOUBLINGS_MAX) if before and again else 1
        wait_s = min(self._settings.inference_poll_s * 2**times, self._settings.inference_refusal_wait_s_max)
        self._refused[alias] = _Refused(pointer.sequence, times, time.monotonic() + wait_s, reason)
        self._telemetry.refused(reason)
        kept = self.current.version if self.current else None
        self._log.error(
            "model_refused",
            alias=alias,
            version=pointer.version,
            reason=reason,
            detail=detail,
            kept=kept,
            wait_s=wait_s,
        )

    def _serve(self, model: LoadedModel) -> None:
        former = self.current.version if self.current else None
        self.current = model
        self._telemetry.serving(model.version, model.loaded_at_s)
        self._log.info("model_serving", version=model.version, former=former, items=model.manifest.items)

    def _take_last_good(self) -> None:
        try:
            folder = self._cache.last_good()
            if folder is None:
                return
            model = load_model(folder, self._settings.inference_model_bytes_max, self._keys)
        except ArtifactRefused as refusal:
            self._telemetry.refused(refusal.reason)
            self._log.error("last_good_refused", reason=refusal.reason, detail=refusal.detail)
            self._cache.forget_last_good()
        else:
            self._serve(model)

    def _note_registry(self, state: DependencyState, detail: str) -> None:
        since_s = self.registry_state.since_s if state is self.registry_state.state else time.time()
        self.registry_state = RegistryState(state, since_s, detail)
