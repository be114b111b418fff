"""The registry: immutable, hashed versions of models and snapshots, and the aliases that name them.

Layout of a directory registry::

    models/<version>/manifest.json + files      aliases/models/champion.json, previous.json, *.history.jsonl
    snapshots/<version>/manifest.json + files   aliases/snapshots/current.json
"""

import re
import shutil
import time
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, Protocol, overload

from evershelf.contracts.manifest import AliasPointer, ArtifactFile, ModelManifest, RolloutPlan, SnapshotManifest
from evershelf.registry.aliases import CHALLENGER, CHAMPION, PREVIOUS, AliasConflict, AliasFolder
from evershelf.registry.artifact import (
    INCOMING_PREFIX,
    ArtifactRefused,
    Refusal,
    copy_files,
    manifest_bytes,
    place_version,
    verify,
)
from evershelf.registry.manifests import manifest_text, parse_manifest
from evershelf.registry.signatures import NO_KEYS, KeyRing, Signer

Kind = Literal["models", "snapshots"]
AnyManifest = ModelManifest | SnapshotManifest

SNAPSHOTS_KEPT = 10
# A half-written folder this old has lost its writer.
INCOMING_AGE_S_MAX = 3_600

_VERSION = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_ALIAS = re.compile(r"[a-z][a-z0-9-]{0,31}")


class VersionConflict(Exception):  # noqa: N818 - a conflict is what it is
    """A version of that name exists with other bytes: versions are immutable, choose another name."""


class Registry(Protocol):
    """Where versions and aliases live: a directory, or an object store (`registry.objects`)."""

    @property
    def public_keys(self) -> tuple[str, ...]: ...
    def signed(self, manifest: AnyManifest) -> AnyManifest: ...
    def publish(self, kind: Kind, manifest: AnyManifest, folder: Path) -> str: ...
    def versions(self, kind: Kind) -> tuple[str, ...]: ...
    @overload
    def manifest(self, kind: Literal["models"], version: str) -> ModelManifest: ...
    @overload
    def manifest(self, kind: Literal["snapshots"], version: str) -> SnapshotManifest: ...
    @overload
    def manifest(self, kind: Kind, version: str) -> AnyManifest: ...
    def fetch(self, kind: Kind, version: str, into: Path) -> Path: ...
    def check(self, kind: Kind, version: str) -> None: ...
    def reachable(self) -> bool: ...
    def read_alias(self, kind: Kind, name: str) -> AliasPointer | None: ...
    def move_alias(
        self,
        kind: Kind,
        name: str,
        version: str,
        *,
        expected_sequence: int | None,
        moved_by: str,
        reason: str,
        plan: RolloutPlan | None = None,
    ) -> AliasPointer: ...
    def alias_history(self, kind: Kind, name: str) -> tuple[AliasPointer, ...]: ...
    def prune(self, kind: Kind, *, keep: int, spared: Collection[str] = ()) -> tuple[str, ...]: ...


class DirectoryRegistry:
    """A registry in a directory. Safe for several processes; every method does blocking disk I/O.

    With `keys`, a version that none of them has signed is refused; with a `signer`, what is published is signed.
    """

    def __init__(self, root: Path, *, keys: KeyRing = NO_KEYS, signer: Signer | None = None) -> None:
        self._root = root
        self._keys = keys
        self._signer = signer

    @property
    def public_keys(self) -> tuple[str, ...]:
        """The keys (hex) of which one must have signed what is read here; none: nothing need be signed."""
        return self._keys.public_keys

    def signed(self, manifest: AnyManifest) -> AnyManifest:
        """The manifest as it would be published: signed, where this registry signs."""
        return self._signer.sign(manifest) if self._signer else manifest

    def publish(self, kind: Kind, manifest: AnyManifest, folder: Path) -> str:
        """Stores the files of `folder` as `manifest.version`, durably, and returns that version.

        Publishing the same again changes nothing. A manifest.json in `folder` is not read.

        Raises:
            ArtifactRefused: `folder` does not hold exactly the files of the manifest.
            VersionConflict: the version exists with other bytes.
        """
        destination = self.path(kind, manifest.version)
        signed = self.signed(manifest)
        try:
            place_version(
                destination,
                signed.files,
                manifest_bytes(signed),
                fill=lambda incoming: copy_files(folder, signed.files, incoming),
            )
        except OSError as error:
            # Whoever renames first wins; the other finds the folder there (EEXIST or ENOTEMPTY).
            if not destination.exists():
                raise
            if self.manifest(kind, manifest.version) != signed:
                raise VersionConflict(f"{kind}/{manifest.version} exists with other bytes") from error
        return manifest.version

    def versions(self, kind: Kind) -> tuple[str, ...]:
        """All versions, oldest first by the time in their manifests; versions without a sound manifest are left out."""
        try:
            names = [path.name for path in (self._root / kind).iterdir() if _VERSION.fullmatch(path.name)]
        except FileNotFoundError:
            return ()
        dated = []
        for name in names:
            try:
                dated.append((self.manifest(kind, name).created_at, name))
            except ArtifactRefused:
                continue
        return tuple(name for _, name in sorted(dated))

    @overload
    def manifest(self, kind: Literal["models"], version: str) -> ModelManifest: ...
    @overload
    def manifest(self, kind: Literal["snapshots"], version: str) -> SnapshotManifest: ...
    @overload
    def manifest(self, kind: Kind, version: str) -> AnyManifest: ...
    def manifest(self, kind: Kind, version: str) -> AnyManifest:
        """The manifest of a version. Raises ArtifactRefused when there is none, or it is another's."""
        return parse_kind(kind, version, manifest_text(self.path(kind, version)), self._keys)

    def fetch(self, kind: Kind, version: str, into: Path) -> Path:
        """A verified copy of the version at `into/<version>`; one that is there and sound is not copied again.

        Raises:
            ArtifactRefused: the version is missing, or its bytes are not those of its manifest.
        """
        folder = self.path(kind, version)
        text = manifest_text(folder)  # copied as it is: a newer release may have written fields that this one drops
        files = parse_kind(kind, version, text, self._keys).files
        if not holds(into / version, files):
            place_version(into / version, files, text, fill=lambda incoming: copy_files(folder, files, incoming))
        return into / version

    def check(self, kind: Kind, version: str) -> None:
        """Reads every byte of a version where it lies. Raises ArtifactRefused if any differs from the manifest."""
        verify(self.path(kind, version), self.manifest(kind, version).files)

    def reachable(self) -> bool:
        """Whether the directory is there at all."""
        return self._root.is_dir()

    def path(self, kind: Kind, version: str) -> Path:
        """The folder of a version, whether or not it exists. Raises ArtifactRefused for what is no version name."""
        return self._root / kind / checked_version(version)

    def read_alias(self, kind: Kind, name: str) -> AliasPointer | None:
        """Where the alias points, or None. Raises ArtifactRefused if it cannot be read."""
        return self._aliases(kind, name).read(name)

    def move_alias(
        self,
        kind: Kind,
        name: str,
        version: str,
        *,
        expected_sequence: int | None,
        moved_by: str,
        reason: str,
        plan: RolloutPlan | None = None,
    ) -> AliasPointer:
        """Points the alias at an existing version, if it still is at `expected_sequence` (None: not set yet).

        Moving `champion` to another version leaves the former one as `previous`.

        Raises:
            AliasConflict: the alias has moved meanwhile.
            ArtifactRefused: there is no such version.
        """
        aliases = self._aliases(kind, name)
        with aliases.lock():
            self.manifest(kind, version)
            return aliases.move(
                name, version, expected_sequence=expected_sequence, moved_by=moved_by, reason=reason, plan=plan
            )

    def alias_history(self, kind: Kind, name: str) -> tuple[AliasPointer, ...]:
        """The moves of an alias, oldest first."""
        return self._aliases(kind, name).history(name)

    def prune(self, kind: Kind, *, keep: int = SNAPSHOTS_KEPT, spared: Collection[str] = ()) -> tuple[str, ...]:
        """Removes all but the newest `keep` versions, those `spared`, and those an alias names; returns what went."""
        aliases = self._aliases(kind, "any")
        with aliases.lock():  # no alias may move to a version that is about to go
            kept = aliases.targets() | set(spared) | set(self.versions(kind)[-max(keep, 1) :])
            gone = tuple(version for version in self.versions(kind) if version not in kept)
            for version in gone:
                discard(self.path(kind, version))
            discard_abandoned(self._root / kind)
        return gone

    def _aliases(self, kind: Kind, name: str) -> AliasFolder:
        checked_alias(name)
        return AliasFolder(self._root / "aliases" / kind)


def parse_kind(kind: Kind, version: str, text: bytes, keys: KeyRing) -> AnyManifest:
    """The manifest of a version of this kind from its bytes. Raises ArtifactRefused where it is another's."""
    models = kind == "models"
    manifest = parse_manifest(text, ModelManifest, keys) if models else parse_manifest(text, SnapshotManifest, keys)
    if manifest.version != version:
        raise ArtifactRefused(Refusal.MANIFEST, f"{version} holds the manifest of {manifest.version}")
    return manifest


def holds(folder: Path, files: Sequence[ArtifactFile]) -> bool:
    """Whether a sound copy lies in `folder`; one that is not sound is removed."""
    if not folder.exists():
        return False
    try:
        verify(folder, files)
    except ArtifactRefused:
        discard(folder)
        return False
    return True


def checked_alias(text: str) -> str:
    """The text, if it is an alias name. Raises ArtifactRefused."""
    if not _ALIAS.fullmatch(text):
        raise ArtifactRefused(Refusal.MISSING, f"{text[:80]!r} is not an alias name")
    return text


def checked_version(text: str) -> str:
    """The text, if it is a version name (and so cannot lead out of a folder). Raises ArtifactRefused."""
    if not _VERSION.fullmatch(text):
        raise ArtifactRefused(Refusal.MISSING, f"{text[:80]!r} is not a version name")
    return text


def promote(registry: Registry, version: str, *, moved_by: str, reason: str) -> AliasPointer:
    """Moves `champion` to `version`. Raises AliasConflict, ArtifactRefused."""
    champion = registry.read_alias("models", CHAMPION)
    expected_sequence = champion.sequence if champion else None
    return registry.move_alias(
        "models", CHAMPION, version, expected_sequence=expected_sequence, moved_by=moved_by, reason=reason
    )


def roll_back(registry: Registry, *, moved_by: str, reason: str) -> AliasPointer:
    """Moves `champion` to `previous`, which then names the one withdrawn. Raises AliasConflict if there is none."""
    previous = registry.read_alias("models", PREVIOUS)
    if previous is None:
        raise AliasConflict("there is no previous champion to go back to")
    return promote(registry, previous.version, moved_by=moved_by, reason=reason)


def challenge(registry: Registry, version: str, plan: RolloutPlan, *, moved_by: str, reason: str) -> AliasPointer:
    """Makes `version` the challenger, to be tried by `plan`. Raises AliasConflict, ArtifactRefused."""
    champion = registry.read_alias("models", CHAMPION)
    if champion is None or champion.version == version:
        raise AliasConflict("a challenger needs another version as champion")
    return _move_challenger(registry, version, moved_by=moved_by, reason=reason, plan=plan)


def withdraw(registry: Registry, version: str, *, moved_by: str, reason: str) -> AliasPointer:
    """Ends the trial of `version`: the challenger is the champion again, which is nobody.

    Raises:
        AliasConflict: another version, or none, is the challenger.
    """
    champion, found = registry.read_alias("models", CHAMPION), registry.read_alias("models", CHALLENGER)
    if champion is None or found is None or found.version != version or found.version == champion.version:
        raise AliasConflict(f"{version} is not the challenger")
    return _move_challenger(registry, champion.version, moved_by=moved_by, reason=reason)


def _move_challenger(
    registry: Registry, version: str, *, moved_by: str, reason: str, plan: RolloutPlan | None = None
) -> AliasPointer:
    found = registry.read_alias("models", CHALLENGER)
    return registry.move_alias(
        "models",
        CHALLENGER,
        version,
        expected_sequence=found.sequence if found else None,
        moved_by=moved_by,
        reason=reason,
        plan=plan,
    )


def discard(folder: Path) -> None:
    """Removes a version so that no reader ever sees half of it."""
    doomed = folder.parent / f"{INCOMING_PREFIX}{uuid.uuid4().hex}"
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def discard_abandoned(folder: Path) -> None:
    """Removes half-written folders that a crash left behind."""
    for path in folder.glob(f"{INCOMING_PREFIX}*"):
        if time.time() - path.stat().st_mtime > INCOMING_AGE_S_MAX:
            shutil.rmtree(path, ignore_errors=True)
