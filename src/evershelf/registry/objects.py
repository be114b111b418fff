"""The registry in S3, or in a store that speaks its protocol with conditional writes.

Layout below the prefix::

    models/<version>/<file>.<sha256>   models/<version>/manifest.json    aliases/models/champion.json
    snapshots/...                                                        aliases/models/champion/<sequence>.json

A version exists as soon as its manifest does, which is written last and only where there is none (`If-None-Match`).
Files carry their hash in their name, so that no two writers can disagree about one. An alias moves by compare-and-swap
on its ETag (`If-Match`). Region, credentials and endpoint come from the AWS_* environment variables.
"""

import os
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple, overload

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store
from pydantic import ValidationError

from evershelf.contracts.manifest import (
    MANIFEST_NAME,
    AliasPointer,
    ArtifactFile,
    ModelManifest,
    RolloutPlan,
    SnapshotManifest,
)
from evershelf.registry.aliases import CHAMPION, POINTER_SIZE_BYTES_MAX, PREVIOUS, AliasConflict
from evershelf.registry.artifact import (
    FILE_SIZE_BYTES_MAX,
    FILES_MAX,
    ArtifactRefused,
    Refusal,
    manifest_bytes,
    place_version,
    verify,
)
from evershelf.registry.manifests import MANIFEST_SIZE_BYTES_MAX
from evershelf.registry.signatures import NO_KEYS, KeyRing, Signer
from evershelf.registry.store import (
    SNAPSHOTS_KEPT,
    AnyManifest,
    Kind,
    VersionConflict,
    checked_alias,
    checked_version,
    holds,
    parse_kind,
)

TIMEOUT = "10s"
RETRY_S_MAX = 5
# Versions whose manifest is missing are being written, or were given up; after this they are swept away.
UNFINISHED_AGE_S_MAX = 3_600
VERSIONS_MAX = 10_000
MOVES_READ_MAX = 100


class _Found(NamedTuple):
    content: bytes
    e_tag: str | None


class ObjectRegistry:
    """A registry in a bucket. Safe for several processes on several machines; every method does blocking I/O."""

    def __init__(self, url: str, *, keys: KeyRing = NO_KEYS, signer: Signer | None = None) -> None:
        """Takes `s3://bucket/prefix`. No request is made yet."""
        self._store = S3Store.from_url(
            url,
            client_options={
                "timeout": TIMEOUT,
                "connect_timeout": TIMEOUT,
                "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=RETRY_S_MAX)},
        )
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
        """Stores the files of `folder` as `manifest.version` and returns that version; again changes nothing.

        Raises:
            ArtifactRefused: `folder` does not hold exactly the files of the manifest, or the store cannot be reached.
            VersionConflict: the version exists with other bytes.
        """
        signed = self.signed(manifest)
        verify(folder, signed.files)
        for file in signed.files:
            self._upload(_file_key(kind, signed.version, file), folder / file.name)
        created = self._create(_manifest_key(kind, signed.version), manifest_bytes(signed))
        if not created and self.manifest(kind, signed.version) != signed:
            raise VersionConflict(f"{kind}/{signed.version} exists with other bytes")
        return signed.version

    def versions(self, kind: Kind) -> tuple[str, ...]:
        """All versions, oldest first by the time in their manifests; versions without a sound manifest are left out."""
        dated = []
        for name in self._names(kind):
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
        return parse_kind(kind, version, self._manifest_text(kind, version), self._keys)

    def fetch(self, kind: Kind, version: str, into: Path) -> Path:
        """A verified copy of the version at `into/<version>`; one that is there and sound is not fetched again.

        Raises:
            ArtifactRefused: the version is missing, or its bytes are not those of its manifest.
        """
        text = self._manifest_text(kind, version)
        files = parse_kind(kind, version, text, self._keys).files

        def fill(incoming: Path) -> None:
            for file in files[:FILES_MAX]:
                self._download(_file_key(kind, version, file), incoming / file.name, file.size_bytes)

        if not holds(into / version, files):
            place_version(into / version, files, text, fill=fill)
        return into / version

    def check(self, kind: Kind, version: str) -> None:
        """Reads every byte of a version. Raises ArtifactRefused if any differs from the manifest."""
        with tempfile.TemporaryDirectory(prefix="evershelf-check-") as folder:
            self.fetch(kind, version, Path(folder))

    def reachable(self) -> bool:
        """Whether the bucket answers."""
        try:
            self._get("aliases/none", POINTER_SIZE_BYTES_MAX)
        except ArtifactRefused:
            return False
        return True

    def read_alias(self, kind: Kind, name: str) -> AliasPointer | None:
        """Where the alias points, or None. Raises ArtifactRefused if it cannot be read."""
        found = self._get(_alias_key(kind, name), POINTER_SIZE_BYTES_MAX)
        return None if found is None else _pointer(name, found.content)

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
            ArtifactRefused: there is no such version, or the store cannot be reached.
        """
        self.manifest(kind, version)
        found = self._get(_alias_key(kind, name), POINTER_SIZE_BYTES_MAX)
        former = None if found is None else _pointer(name, found.content)
        at = former.sequence if former else None
        if at != expected_sequence:
            raise AliasConflict(f"{name} is at sequence {at}, not {expected_sequence}")
        if former is not None:
            self._record(kind, name, former)
        pointer = AliasPointer(
            version=version,
            sequence=(at or 0) + 1,
            moved_at=datetime.now(UTC),
            moved_by=moved_by,
            reason=reason,
            plan=plan,
        )
        self._swap(_alias_key(kind, name), pointer, found)
        self._record(kind, name, pointer)
        if name == CHAMPION and former and former.version != version:
            # After the swap, unlike in a directory: no lock spans two objects, and the loser must not move `previous`.
            self._point_previous(kind, former.version, moved_by=moved_by, reason=f"champion before {version}")
        return pointer

    def alias_history(self, kind: Kind, name: str) -> tuple[AliasPointer, ...]:
        """The newest MOVES_READ_MAX moves, oldest first: each is an object that is asked for."""
        prefix = f"{_alias_key(kind, name).removesuffix('.json')}/"
        texts = [self._get(key, POINTER_SIZE_BYTES_MAX) for key in sorted(self._keys_below(prefix))[-MOVES_READ_MAX:]]
        recorded = [_pointer(name, text.content) for text in texts if text is not None]
        current = self.read_alias(kind, name)  # a crash between pointing and recording leaves the last move there only
        if current and (not recorded or recorded[-1].sequence < current.sequence):
            recorded.append(current)
        return tuple(recorded)

    def prune(self, kind: Kind, *, keep: int = SNAPSHOTS_KEPT, spared: Collection[str] = ()) -> tuple[str, ...]:
        """Removes all but the newest `keep` versions, those `spared`, and those an alias names; returns what went."""
        known = self.versions(kind)
        kept = self._targets(kind) | set(spared) | set(known[-max(keep, 1) :])
        gone = tuple(version for version in known if version not in kept)
        for version in gone:
            self._delete([_manifest_key(kind, version)])  # first: from now on it does not exist
            self._delete(self._keys_below(f"{kind}/{version}/"))
        self._sweep(kind, frozenset(known))
        return gone

    def _point_previous(self, kind: Kind, version: str, *, moved_by: str, reason: str) -> None:
        former = self.read_alias(kind, PREVIOUS)
        self.move_alias(
            kind,
            PREVIOUS,
            version,
            expected_sequence=former.sequence if former else None,
            moved_by=moved_by,
            reason=reason,
        )

    def _targets(self, kind: Kind) -> frozenset[str]:
        names = [
            key.rpartition("/")[2].removesuffix(".json") for key in self._keys_below(f"aliases/{kind}/", deep=False)
        ]
        pointers = (self.read_alias(kind, name) for name in names)
        return frozenset(pointer.version for pointer in pointers if pointer)

    def _sweep(self, kind: Kind, known: frozenset[str]) -> None:
        """Removes versions that lost their writer before they had a manifest."""
        for name in set(self._names(kind)) - known:
            with _reached():
                found = [entry for page in obstore.list(self._store, f"{kind}/{name}/") for entry in page]
            newest_s = max((entry["last_modified"].timestamp() for entry in found), default=time.time())
            begun = not any(entry["path"] == _manifest_key(kind, name) for entry in found)
            if begun and time.time() - newest_s > UNFINISHED_AGE_S_MAX:
                self._delete([entry["path"] for entry in found])

    def _manifest_text(self, kind: Kind, version: str) -> bytes:
        found = self._get(_manifest_key(kind, version), MANIFEST_SIZE_BYTES_MAX)
        if found is None:
            raise ArtifactRefused(Refusal.MISSING, f"there is no version {version}")
        return found.content

    def _names(self, kind: Kind) -> list[str]:
        with _reached():
            prefixes = obstore.list_with_delimiter(self._store, kind)["common_prefixes"]
        return [prefix.rpartition("/")[2] for prefix in prefixes[:VERSIONS_MAX]]

    def _keys_below(self, prefix: str, *, deep: bool = True) -> list[str]:
        with _reached():
            if not deep:
                return [entry["path"] for entry in obstore.list_with_delimiter(self._store, prefix)["objects"]]
            return [entry["path"] for page in obstore.list(self._store, prefix) for entry in page]

    def _get(self, key: str, size_bytes_max: int) -> _Found | None:
        with _reached():
            try:
                answer = obstore.get(self._store, key)
            except FileNotFoundError:
                return None
            if answer.meta["size"] > size_bytes_max:
                raise ArtifactRefused(Refusal.MANIFEST, f"{key} has {answer.meta['size']} bytes")
            return _Found(bytes(answer.bytes()), answer.meta["e_tag"])

    def _upload(self, key: str, source: Path) -> None:
        with _reached():
            obstore.put(self._store, key, source)

    def _download(self, key: str, destination: Path, size_bytes: int) -> None:
        with _reached():
            try:
                answer = obstore.get(self._store, key)
            except FileNotFoundError as error:
                raise ArtifactRefused(Refusal.FILES, f"{key} is missing") from error
            if answer.meta["size"] != size_bytes or size_bytes > FILE_SIZE_BYTES_MAX:
                raise ArtifactRefused(Refusal.SIZE, f"{key} has {answer.meta['size']} bytes, not {size_bytes}")
            with destination.open("wb") as file:
                for chunk in answer.stream():
                    file.write(chunk)

    def _create(self, key: str, content: bytes) -> bool:
        """Writes an object where there is none; False if there is one."""
        with _reached():
            try:
                obstore.put(self._store, key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    def _swap(self, key: str, pointer: AliasPointer, found: _Found | None) -> None:
        content = pointer.model_dump_json().encode()
        with _reached():
            try:
                if found is None:
                    swapped = self._create(key, content)
                else:
                    obstore.put(self._store, key, content, mode={"e_tag": found.e_tag}, use_multipart=False)
                    swapped = True
            except PreconditionError:
                swapped = False
        # A write whose answer was lost is tried again, and then meets itself.
        now = None if swapped else self._get(key, POINTER_SIZE_BYTES_MAX)
        if now is not None and now.content != content:
            raise AliasConflict(f"the alias moved while it was to move to {pointer.version}")

    def _record(self, kind: Kind, name: str, pointer: AliasPointer) -> None:
        """One object a move, written once: a history that can only grow."""
        key = f"{_alias_key(kind, name).removesuffix('.json')}/{pointer.sequence:010}.json"
        self._create(key, pointer.model_dump_json().encode())

    def _delete(self, keys: list[str]) -> None:
        with _reached():
            if keys:
                obstore.delete(self._store, keys)


def _manifest_key(kind: Kind, version: str) -> str:
    return f"{kind}/{checked_version(version)}/{MANIFEST_NAME}"


def _file_key(kind: Kind, version: str, file: ArtifactFile) -> str:
    return f"{kind}/{checked_version(version)}/{file.name}.{file.sha256}"


def _alias_key(kind: Kind, name: str) -> str:
    return f"aliases/{kind}/{checked_alias(name)}.json"


def _pointer(name: str, text: bytes) -> AliasPointer:
    try:
        return AliasPointer.model_validate_json(text)
    except ValidationError as error:
        raise ArtifactRefused(Refusal.MANIFEST, f"alias {name} is not a pointer") from error


@contextmanager
def _reached() -> Iterator[None]:
    """Turns what the store or the network refuses into an ArtifactRefused that may be tried again."""
    try:
        yield
    except BaseError as error:
        raise ArtifactRefused(Refusal.MISSING, f"the registry cannot be reached: {type(error).__name__}") from error
