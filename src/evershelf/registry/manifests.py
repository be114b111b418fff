"""Reads manifests: bounded, signed by a trusted key where one is configured, and of the right shape."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from evershelf.contracts.manifest import MANIFEST_NAME, ModelManifest, SnapshotManifest
from evershelf.registry.artifact import ArtifactRefused, Refusal
from evershelf.registry.signatures import NO_KEYS, KeyRing, split_signature

MANIFEST_SIZE_BYTES_MAX = 2**20
# Stands for a gate that a version has never been held against: nothing then speaks for it.
NEVER_ASKED = "never asked"

Manifest = TypeVar("Manifest", ModelManifest, SnapshotManifest)


def read_manifest(folder: Path, model: type[Manifest], keys: KeyRing = NO_KEYS) -> Manifest:
    """The manifest of a version folder. Raises ArtifactRefused when there is none or it is not one."""
    return parse_manifest(manifest_text(folder), model, keys)


def failed_checks(manifest: ModelManifest) -> tuple[str, ...]:
    """The names of the gate's checks that a version failed; NEVER_ASKED where it has not been before the gate."""
    return tuple(check.name for check in manifest.gate if not check.passed) if manifest.gate else (NEVER_ASKED,)


def manifest_text(folder: Path) -> bytes:
    """The manifest's bytes as they stand on disk. Raises ArtifactRefused when they cannot be read, or are too many."""
    try:
        with (folder / MANIFEST_NAME).open("rb") as file:
            return bounded(file.read(MANIFEST_SIZE_BYTES_MAX + 1))
    except OSError as error:
        raise ArtifactRefused(Refusal.MISSING, f"{folder.name} has no readable {MANIFEST_NAME}") from error


def bounded(text: bytes) -> bytes:
    """The text, if it is not too long for a manifest. Raises ArtifactRefused."""
    if len(text) > MANIFEST_SIZE_BYTES_MAX:
        raise ArtifactRefused(Refusal.MANIFEST, f"{MANIFEST_NAME} is longer than {MANIFEST_SIZE_BYTES_MAX} bytes")
    return text


def parse_manifest(text: bytes, model: type[Manifest], keys: KeyRing = NO_KEYS) -> Manifest:
    """The manifest of these bytes. Raises ArtifactRefused where the signature or the shape is not as it must be."""
    content, signature = split_signature(text)
    keys.require(content, signature)
    try:
        # What was signed is what is read: the same bytes, parsed once more by the model.
        return model.model_validate_json(content).model_copy(update={"signature": signature})
    except ValidationError as error:
        raise ArtifactRefused(
            Refusal.MANIFEST, f"{error.error_count()} faults, first: {error.errors()[0]['msg']}"
        ) from error
