"""Signatures: where a public key is configured, only what one of those keys has signed is read."""

import json

import pytest
from pydantic import ValidationError

from evershelf.registry.artifact import MANIFEST_NAME, ArtifactRefused, Refusal
from evershelf.registry.opening import open_registry
from evershelf.registry.settings import RegistrySettings, SigningSettings
from evershelf.registry.signatures import InvalidKeyError, KeyRing, Signer
from evershelf.registry.store import DirectoryRegistry
from tests.registry.fake_versions import snapshot_folder

OURS, THEIRS = Signer("11" * 32), Signer("22" * 32)


def published(tmp_path, signer):
    """A registry that trusts our key only, holding the version s1 as `signer` left it."""
    manifest = snapshot_folder(tmp_path / "made", "s1")
    DirectoryRegistry(tmp_path / "registry", signer=signer).publish("snapshots", manifest, tmp_path / "made")
    return DirectoryRegistry(tmp_path / "registry", keys=KeyRing([OURS.public_key]))


def refusal(action, *arguments):
    with pytest.raises(ArtifactRefused) as caught:
        action(*arguments)
    return caught.value.reason


def test_a_signed_version_is_read_and_its_copy_still_holds_the_signature(tmp_path):
    registry = published(tmp_path, OURS)
    copy = registry.fetch("snapshots", "s1", tmp_path / "copies")
    assert (copy / MANIFEST_NAME).read_bytes() == (registry.path("snapshots", "s1") / MANIFEST_NAME).read_bytes()
    assert registry.manifest("snapshots", "s1").signature is not None


@pytest.mark.parametrize("signer", [None, THEIRS], ids=["unsigned", "another key"])
def test_what_no_trusted_key_signed_is_refused(tmp_path, signer):
    registry = published(tmp_path, signer)
    assert refusal(registry.manifest, "snapshots", "s1") is Refusal.SIGNATURE
    assert refusal(registry.fetch, "snapshots", "s1", tmp_path / "copies") is Refusal.SIGNATURE
    assert registry.versions("snapshots") == ()


@pytest.mark.parametrize("change", [{"items": 2}, {"created_at": "2026-01-02T00:00:00Z"}, {"a_later_field": 1}])
def test_a_manifest_changed_after_signing_is_refused(tmp_path, change):
    # Promise: also a field that this release does not know is covered.
    registry = published(tmp_path, OURS)
    path = registry.path("snapshots", "s1") / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert refusal(registry.manifest, "snapshots", "s1") is Refusal.SIGNATURE


def test_a_manifest_with_a_name_twice_is_no_manifest(tmp_path):
    registry = published(tmp_path, OURS)
    path = registry.path("snapshots", "s1") / MANIFEST_NAME
    path.write_text(path.read_text().replace('"items": 1', '"items": 1, "items": 2'))
    assert refusal(registry.manifest, "snapshots", "s1") is Refusal.MANIFEST


def test_layout_does_not_matter_and_publishing_again_changes_nothing(tmp_path):
    registry = published(tmp_path, OURS)
    path = registry.path("snapshots", "s1") / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7))
    assert registry.manifest("snapshots", "s1").version == "s1"
    manifest = snapshot_folder(tmp_path / "made", "s1")
    assert (
        DirectoryRegistry(tmp_path / "registry", signer=OURS).publish("snapshots", manifest, tmp_path / "made") == "s1"
    )


def test_keys_are_settings_and_one_that_is_none_is_told_at_the_start(tmp_path):
    trusted = RegistrySettings(registry=tmp_path, registry_public_keys=f"{THEIRS.public_key}, {OURS.public_key}")
    publisher = open_registry(trusted, SigningSettings(registry_signing_key="11" * 32))
    publisher.publish("snapshots", snapshot_folder(tmp_path / "made", "s1"), tmp_path / "made")
    assert open_registry(trusted).versions("snapshots") == ("s1",)
    with pytest.raises(ValidationError, match="64 hexadecimal digits"):
        RegistrySettings(registry_public_keys="abc")
    with pytest.raises(InvalidKeyError):
        Signer("not a key")
