"""The bytes of a version: described by hash, written durably, and refused when they are not what the manifest says."""

import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from evershelf.contracts.manifest import MANIFEST_NAME, ArtifactFile, ModelManifest, SnapshotManifest

FILES_MAX = 32
FILE_SIZE_BYTES_MAX = 8 * 2**30
# Folders that are being written or thrown away start so; no version name can.
INCOMING_PREFIX = ".incoming-"


class Refusal(StrEnum):
    """Why an artifact was refused: a closed set, so that refusals can be counted by it."""

    MISSING = "missing"  # no such version
    MANIFEST = "manifest"  # unreadable, misshapen, or of another version
    FILES = "files"  # a file too many, too few, or not a plain file
    SIZE = "size"
    HASH = "hash"
    SIGNATURE = "signature"  # not signed by a key that is trusted here
    CONTAINER = "container"  # not a sound safetensors file
    TENSORS = "tensors"  # an array is absent, misshapen, not finite or out of range
    ITEMS = "items"  # the list of item ids is not one
    WARM_UP = "warm_up"  # it loads, but does not rank
    CRASH = "crash"  # loading it ran into something that no check foresaw


class ArtifactRefused(Exception):  # noqa: N818 - the name says what happened, not that it is an error of ours
    """These bytes must not be served. `reason` is countable, `detail` is for the reader."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def describe(folder: Path) -> tuple[ArtifactFile, ...]:
    """The manifest's `files` for everything in `folder` but a manifest, in order of name."""
    return tuple(
        ArtifactFile(name=path.name, size_bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST_NAME
    )


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(folder: Path, files: Sequence[ArtifactFile]) -> None:
    """Returns only if `folder` holds exactly `files` (and a manifest), each with its size and hash.

    Raises:
        ArtifactRefused: a file is missing, extra, no plain file, or differs.
    """
    names = [file.name for file in files]
    if len(names) > FILES_MAX or len(set(names)) != len(names) or MANIFEST_NAME in names:
        raise ArtifactRefused(Refusal.MANIFEST, "too many files, a name twice, or the manifest among them")
    try:
        found = {entry.name for entry in os.scandir(folder)} - {MANIFEST_NAME}
    except OSError as error:
        raise ArtifactRefused(Refusal.MISSING, f"{folder.name} cannot be read") from error
    if found != set(names):
        raise ArtifactRefused(
            Refusal.FILES, f"missing {sorted(set(names) - found)}, extra {sorted(found - set(names))}"
        )
    for file in files:
        _verify_file(folder / file.name, file)


def _verify_file(path: Path, file: ArtifactFile) -> None:
    try:
        # Not following links: a link could lead out of the folder, or change after the check.
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise ArtifactRefused(Refusal.FILES, f"{file.name} is not a plain file")
        if status.st_size != file.size_bytes or status.st_size > FILE_SIZE_BYTES_MAX:
            raise ArtifactRefused(Refusal.SIZE, f"{file.name} has {status.st_size} bytes, not {file.size_bytes}")
        if sha256_of(path) != file.sha256:
            raise ArtifactRefused(Refusal.HASH, f"{file.name} does not have the hash in the manifest")
    except OSError as error:
        raise ArtifactRefused(Refusal.FILES, f"{file.name} cannot be read") from error


def place_version(
    destination: Path, files: Sequence[ArtifactFile], manifest: bytes, *, fill: Callable[[Path], None]
) -> None:
    """Puts what `fill` writes at `destination`, verified and durable, wholly or not at all; `manifest` goes with it.

    Raises:
        ArtifactRefused: the bytes are not those of `files`.
        FileExistsError: there is a version at `destination` already.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    incoming = destination.parent / f"{INCOMING_PREFIX}{uuid.uuid4().hex}"
    incoming.mkdir()
    try:
        fill(incoming)
        verify(incoming, files)
        write_durably(incoming / MANIFEST_NAME, manifest)
        sync_folder(incoming)
        if destination.exists():
            raise FileExistsError(destination)
        incoming.rename(destination)
        sync_folder(destination.parent)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def copy_files(source: Path, files: Sequence[ArtifactFile], into: Path) -> None:
    """Durable copies of `files`. What is verified later is the copy, so a source that changes meanwhile is refused."""
    verify_names(source, files)
    for file in files:
        _copy_durably(source / file.name, into / file.name)


def verify_names(folder: Path, files: Sequence[ArtifactFile]) -> None:
    """Refuses, before any copying, a folder that does not hold exactly these names in these sizes."""
    for file in files:
        path = folder / file.name
        if path.is_symlink() or not path.is_file():
            raise ArtifactRefused(Refusal.FILES, f"{file.name} is missing or not a plain file")
        if path.stat().st_size != file.size_bytes:
            raise ArtifactRefused(Refusal.SIZE, f"{file.name} has {path.stat().st_size} bytes, not {file.size_bytes}")
    extra = {path.name for path in folder.iterdir()} - {file.name for file in files} - {MANIFEST_NAME}
    if extra:
        raise ArtifactRefused(Refusal.FILES, f"extra {sorted(extra)}")


def manifest_bytes(manifest: ModelManifest | SnapshotManifest) -> bytes:
    """The manifest as it stands on disk."""
    return manifest.model_dump_json(indent=1).encode()


def write_durably(path: Path, content: bytes) -> None:
    """Writes a new file and waits until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _copy_durably(source: Path, destination: Path) -> None:
    try:
        shutil.copyfile(source, destination, follow_symlinks=False)
    except FileNotFoundError as error:
        raise ArtifactRefused(Refusal.FILES, f"{source.name} went away while it was copied") from error
    with destination.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes a rename inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
