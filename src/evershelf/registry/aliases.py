"""Aliases: mutable names of versions, moved by compare-and-swap, every move on record."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from evershelf.contracts.manifest import AliasPointer, RolloutPlan
from evershelf.registry.artifact import ArtifactRefused, Refusal, sync_folder, write_durably

CHAMPION = "champion"
# The version that is compared with the champion; when it names the champion itself, nothing is.
CHALLENGER = "challenger"
CURRENT = "current"
PREVIOUS = "previous"
# `moved_by` of a move that renews what is known, and changes nothing else.
BY_REFRESH = "refresh"

LOCK_TIMEOUT_S = 10.0
LOCK_POLL_S = 0.01
POINTER_SIZE_BYTES_MAX = 64 * 2**10
# A history file that has grown to this is set aside (one generation is kept) and a new one begun.
HISTORY_SIZE_BYTES_MAX = 2**20


class AliasConflict(Exception):  # noqa: N818 - a conflict is what it is
    """Somebody else moved the alias first (or holds its lock); read it again and decide again."""


class AliasFolder:
    """The aliases of one kind of version: `<name>.json` beside `<name>.history.jsonl`."""

    def __init__(self, folder: Path, *, history_size_bytes_max: int = HISTORY_SIZE_BYTES_MAX) -> None:
        self._folder = folder
        self._history_size_bytes_max = history_size_bytes_max

    def read(self, name: str) -> AliasPointer | None:
        """Where the alias points, or None if it was never set. Raises ArtifactRefused if the file is not a pointer."""
        try:
            with self._pointer(name).open("rb") as file:
                text = file.read(POINTER_SIZE_BYTES_MAX)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArtifactRefused(Refusal.MISSING, f"alias {name} cannot be read") from error
        try:
            return AliasPointer.model_validate_json(text)
        except ValidationError as error:
            raise ArtifactRefused(Refusal.MANIFEST, f"alias {name} is not a pointer") from error

    def move(
        self,
        name: str,
        version: str,
        *,
        expected_sequence: int | None,
        moved_by: str,
        reason: str,
        plan: RolloutPlan | None = None,
    ) -> AliasPointer:
        """Points the alias at `version`; the caller holds `lock()`. Raises AliasConflict when it moved meanwhile."""
        former = self.read(name)
        found = former.sequence if former else None
        if found != expected_sequence:
            raise AliasConflict(f"{name} is at sequence {found}, not {expected_sequence}")
        if name == CHAMPION and former and former.version != version:
            self._point(PREVIOUS, former.version, moved_by=moved_by, reason=f"champion before {version}")
        return self._point(name, version, moved_by=moved_by, reason=reason, plan=plan)

    def history(self, name: str) -> tuple[AliasPointer, ...]:
        """Every move still on record, oldest first."""
        recorded = [*_lines(self._set_aside(name)), *_lines(self._history(name))]
        # A crash between pointing and recording leaves the last move in the pointer only.
        pointer = self.read(name)
        if pointer and (not recorded or recorded[-1].sequence < pointer.sequence):
            recorded.append(pointer)
        return tuple(recorded)

    def targets(self) -> frozenset[str]:
        """All versions that some alias points at."""
        pointers = (self.read(path.stem) for path in self._folder.glob("*.json"))
        return frozenset(pointer.version for pointer in pointers if pointer)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the aliases of this kind against every other process. Raises AliasConflict after LOCK_TIMEOUT_S."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("ab") as file:
            _take(file.fileno())
            yield

    def _point(
        self, name: str, version: str, *, moved_by: str, reason: str, plan: RolloutPlan | None = None
    ) -> AliasPointer:
        former = self.read(name)
        if former:
            self._record(name, former)
        pointer = AliasPointer(
            version=version,
            sequence=former.sequence + 1 if former else 1,
            moved_at=datetime.now(UTC),
            moved_by=moved_by,
            reason=reason,
            plan=plan,
        )
        incoming = self._folder / f".{name}.incoming"
        write_durably(incoming, pointer.model_dump_json().encode())
        incoming.rename(self._pointer(name))
        sync_folder(self._folder)
        self._record(name, pointer)
        return pointer

    def _record(self, name: str, pointer: AliasPointer) -> None:
        """Appends the move to the history unless it stands there."""
        path = self._history(name)
        recorded = _lines(path) or _lines(self._set_aside(name))
        if recorded and recorded[-1].sequence >= pointer.sequence:
            return
        if path.exists() and path.stat().st_size > self._history_size_bytes_max:
            path.rename(self._set_aside(name))
        with path.open("ab") as file:
            # The newline in front ends a line that a crash cut short.
            file.write(b"\n" + pointer.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _pointer(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _history(self, name: str) -> Path:
        return self._folder / f"{name}.history.jsonl"

    def _set_aside(self, name: str) -> Path:
        return self._folder / f"{name}.history.1.jsonl"


def _lines(path: Path) -> list[AliasPointer]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    pointers = []
    for line in text.splitlines():
        try:
            pointers.append(AliasPointer.model_validate_json(line))
        except ValidationError:
            continue  # empty, or cut short by a crash; the pointer itself holds what it said
    return pointers


def _take(descriptor: int) -> None:
    deadline_s = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline_s:
                raise AliasConflict(f"the aliases were locked for {LOCK_TIMEOUT_S} s") from None
            time.sleep(LOCK_POLL_S)
        else:
            return
