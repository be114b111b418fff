"""The registry's promise: a version never changes, and nobody receives bytes other than those published."""

import json
import os

import pytest

from evershelf.contracts.manifest import ArtifactFile
from evershelf.registry.artifact import MANIFEST_NAME, ArtifactRefused, Refusal, verify
from evershelf.registry.store import DirectoryRegistry, VersionConflict
from tests.registry.fake_versions import snapshot_folder


@pytest.fixture
def registry(tmp_path):
    return DirectoryRegistry(tmp_path / "registry")


def publish(registry, tmp_path, version, **kwargs):
    manifest = snapshot_folder(tmp_path / f"made-{version}", version, **kwargs)
    return registry.publish("snapshots", manifest, tmp_path / f"made-{version}")


def test_what_is_fetched_is_what_was_published(registry, tmp_path):
    publish(registry, tmp_path, "s1", content=b"forty mugs")
    fetched = registry.fetch("snapshots", "s1", tmp_path / "cache")
    assert fetched == tmp_path / "cache" / "s1"
    assert (fetched / "items.jsonl").read_bytes() == b"forty mugs"
    assert registry.manifest("snapshots", "s1").items == 1


def test_publishing_the_same_again_changes_nothing_and_other_bytes_are_refused(registry, tmp_path):
    publish(registry, tmp_path, "s1")
    assert publish(registry, tmp_path, "s1") == "s1"
    with pytest.raises(VersionConflict):
        publish(registry, tmp_path, "s1", content=b"other")
    assert (registry.path("snapshots", "s1") / "items.jsonl").read_bytes() == b"shelf"


def test_a_folder_that_is_not_what_its_manifest_says_is_not_published(registry, tmp_path):
    manifest = snapshot_folder(tmp_path / "made", "s1")
    (tmp_path / "made" / "items.jsonl").write_bytes(b"shelg")
    with pytest.raises(ArtifactRefused) as refused:
        registry.publish("snapshots", manifest, tmp_path / "made")
    assert refused.value.reason is Refusal.HASH
    # Nothing is left behind, not even half of it.
    assert list((tmp_path / "registry" / "snapshots").iterdir()) == []


def _flip(path):
    content = bytearray(path.read_bytes())
    content[2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: _flip(folder / "items.jsonl"), Refusal.HASH),
        (lambda folder: (folder / "items.jsonl").write_bytes(b"sh"), Refusal.SIZE),
        (lambda folder: (folder / "items.jsonl").unlink(), Refusal.FILES),
        (lambda folder: (folder / "more").write_bytes(b""), Refusal.FILES),
        (lambda folder: (folder / MANIFEST_NAME).unlink(), Refusal.MISSING),
        (lambda folder: (folder / MANIFEST_NAME).write_bytes(b"{"), Refusal.MANIFEST),
        (lambda folder: (folder / MANIFEST_NAME).write_bytes(b" " * 2**21), Refusal.MANIFEST),
    ],
)
def test_a_damaged_version_is_refused_with_its_reason(registry, tmp_path, damage, reason):
    publish(registry, tmp_path, "s1")
    damage(registry.path("snapshots", "s1"))
    with pytest.raises(ArtifactRefused) as refused:
        registry.fetch("snapshots", "s1", tmp_path / "cache")
    assert refused.value.reason is reason
    assert not (tmp_path / "cache" / "s1").exists()


def test_a_link_is_not_followed_out_of_the_folder(registry, tmp_path):
    publish(registry, tmp_path, "s1")
    secret = tmp_path / "secret"
    secret.write_bytes(b"shelf")
    target = registry.path("snapshots", "s1") / "items.jsonl"
    target.unlink()
    target.symlink_to(secret)
    with pytest.raises(ArtifactRefused, match="plain file"):
        registry.fetch("snapshots", "s1", tmp_path / "cache")


@pytest.mark.parametrize("name", ["../s1", "a/b", "", ".incoming-1", "S1", "a" * 65, "s1\n"])
def test_a_version_name_never_leads_out_of_the_registry(registry, name):
    with pytest.raises(ArtifactRefused):
        registry.path("snapshots", name)


def test_a_manifest_naming_a_file_outside_is_no_manifest(registry, tmp_path):
    publish(registry, tmp_path, "s1")
    path = registry.path("snapshots", "s1") / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["files"][0]["name"] = "../../secret"
    path.write_text(json.dumps(manifest))
    with pytest.raises(ArtifactRefused) as refused:
        registry.manifest("snapshots", "s1")
    assert refused.value.reason is Refusal.MANIFEST


def test_one_name_twice_in_a_manifest_is_refused(tmp_path):
    file = ArtifactFile(name="a", size_bytes=0, sha256="0" * 64)
    with pytest.raises(ArtifactRefused, match="a name twice"):
        verify(tmp_path, [file, file])


def test_a_manifest_of_another_version_is_refused(registry, tmp_path):
    publish(registry, tmp_path, "s1")
    registry.path("snapshots", "s1").rename(registry.path("snapshots", "s2"))
    with pytest.raises(ArtifactRefused, match="holds the manifest of s1"):
        registry.fetch("snapshots", "s2", tmp_path / "cache")


def test_a_cached_copy_that_rotted_is_replaced_by_a_sound_one(registry, tmp_path):
    publish(registry, tmp_path, "s1")
    cached = registry.fetch("snapshots", "s1", tmp_path / "cache") / "items.jsonl"
    _flip(cached)
    registry.fetch("snapshots", "s1", tmp_path / "cache")
    assert cached.read_bytes() == b"shelf"


def test_versions_stand_oldest_first_and_unsound_ones_are_left_out(registry, tmp_path):
    for age_h, version in enumerate(["new", "middle", "old"]):
        publish(registry, tmp_path, version, age_h=age_h)
    (registry.path("snapshots", "middle") / MANIFEST_NAME).write_bytes(b"?")
    assert registry.versions("snapshots") == ("old", "new")
    assert registry.versions("models") == ()


def test_pruning_keeps_the_newest_and_whatever_an_alias_names(registry, tmp_path):
    for age_h, version in enumerate(["s4", "s3", "s2", "s1"]):
        publish(registry, tmp_path, version, age_h=age_h)
    registry.move_alias("snapshots", "current", "s1", expected_sequence=None, moved_by="test", reason="pin")
    assert registry.prune("snapshots", keep=2) == ("s2",)
    assert registry.versions("snapshots") == ("s1", "s3", "s4")


def test_pruning_spares_what_it_is_told_to(registry, tmp_path):
    for age_h, version in enumerate(["s3", "s2", "s1"]):
        publish(registry, tmp_path, version, age_h=age_h)
    assert registry.prune("snapshots", keep=1, spared={"s1"}) == ("s2",)


def test_pruning_removes_what_a_crashed_writer_left(registry, tmp_path):
    publish(registry, tmp_path, "s1")
    abandoned = tmp_path / "registry" / "snapshots" / ".incoming-dead"
    abandoned.mkdir()
    os.utime(abandoned, (0, 0))
    registry.prune("snapshots", keep=1)
    assert not abandoned.exists()
    assert registry.versions("snapshots") == ("s1",)
