"""What can happen to a snapshot: every kind of damage in the registry while gateways follow it."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from evershelf.contracts.manifest import MANIFEST_NAME, SNAPSHOT_NAME, SnapshotManifest
from evershelf.drills.injection import Injection, Witness
from evershelf.drills.rig import Rig
from evershelf.registry.aliases import CURRENT, AliasFolder
from evershelf.registry.store import DirectoryRegistry

KIND: Literal["snapshots"] = "snapshots"
REFUSALS = "evershelf_snapshot_refusals_total"
FUTURE = timedelta(days=365)
PAST = timedelta(days=400)


def damaged(damage: Callable[[Path], None]) -> Injection:
    """A new snapshot is announced, and its bytes are not what its manifest says; felt if a gateway refused it."""

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        registry = DirectoryRegistry(rig.folder / "registry")
        former = _current(registry)
        refused = rig.metrics().get(REFUSALS, 0.0)
        version = _copy(registry, former, created_at=datetime.now(UTC))

        async def felt() -> bool:
            return rig.metrics().get(REFUSALS, 0.0) > refused

        damage(registry.path(KIND, version))
        _point_at(rig, version)
        try:
            yield felt
        finally:
            _point_at(rig, former)
            shutil.rmtree(registry.path(KIND, version), ignore_errors=True)

    return inject


def dated(shift: timedelta) -> Injection:
    """A sound snapshot of another time becomes current; felt if a gateway took it into use."""

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        registry = DirectoryRegistry(rig.folder / "registry")
        former = _current(registry)
        version = _copy(registry, former, created_at=datetime.now(UTC) + shift)

        async def felt() -> bool:
            return f'"version":"{version}"' in rig.log("gateway").replace(" ", "")

        _point_at(rig, version)
        try:
            yield felt
        finally:
            _point_at(rig, former)

    return inject


def missing(version: Path) -> None:
    """The folder is gone."""
    shutil.rmtree(version)


def truncated(version: Path) -> None:
    """The second half of its bytes is gone."""
    payload = version / SNAPSHOT_NAME
    with payload.open("r+b") as file:
        file.truncate(payload.stat().st_size // 2)


def bit_flipped(version: Path) -> None:
    """One bit in the middle is another."""
    payload = version / SNAPSHOT_NAME
    with payload.open("r+b") as file:
        file.seek(payload.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))


def emptied(version: Path) -> None:
    """All of its files are empty, its manifest too."""
    for path in version.iterdir():
        path.write_bytes(b"")


def garbled(version: Path) -> None:
    """Its manifest is no manifest."""
    (version / MANIFEST_NAME).write_text('{"format": 99}')


def _current(registry: DirectoryRegistry) -> str:
    pointer = registry.read_alias(KIND, CURRENT)
    assert pointer is not None, "the shop has a snapshot"
    return pointer.version


def _copy(registry: DirectoryRegistry, former: str, *, created_at: datetime) -> str:
    """The same snapshot under a new name and another time."""
    manifest: SnapshotManifest = registry.manifest(KIND, former)
    version = f"{created_at:%Y%m%dt%H%M%S}{created_at.microsecond // 1_000:03d}-drill"
    registry.publish(
        KIND,
        manifest.model_copy(update={"version": version, "created_at": created_at}),
        registry.path(KIND, former),
    )
    return version


def _point_at(rig: Rig, version: str) -> None:
    """Moves the alias as a writer does that does not look whether the version is sound."""
    aliases = AliasFolder(rig.folder / "registry" / "aliases" / KIND)
    with aliases.lock():
        pointer = aliases.read(CURRENT)
        sequence = pointer.sequence if pointer else None
        aliases.move(CURRENT, version, expected_sequence=sequence, moved_by="drill", reason="drill")
