"""The registry in S3: the promises of the directory, kept with conditional writes alone; against a real S3 server."""

import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

import pytest

from evershelf.registry.aliases import AliasConflict
from evershelf.registry.artifact import ArtifactRefused, Refusal
from evershelf.registry.store import VersionConflict, promote, roll_back
from evershelf.supervision.installation import free_port
from tests.inference.fake_model import model_folder
from tests.registry.fake_versions import snapshot_folder

pytest.importorskip("obstore", reason="the extra s3 is not installed")
pytest.importorskip("moto.server", reason="moto is not installed: no S3 to test against")

from evershelf.registry.objects import ObjectRegistry

MOVE = {"moved_by": "test", "reason": "test"}
PATIENCE_S = 60


@pytest.fixture(scope="module")
def endpoint():
    """A moto server on a port of its own."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url, deadline_s = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE_S
    try:
        while not answers(url):
            assert child.poll() is None, "moto ended"
            assert time.monotonic() < deadline_s, "moto did not start"
            time.sleep(0.05)
        yield url
    finally:
        child.kill()
        child.wait()


def answers(url):
    try:
        urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


@pytest.fixture
def place(endpoint, monkeypatch):
    """A bucket of the test's own."""
    settings = {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "REGION": "us-east-1", "ALLOW_HTTP": "true"}
    for name, value in {**settings, "ENDPOINT": endpoint}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    bucket = f"b-{uuid.uuid4()}"
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{bucket}", method="PUT"), timeout=PATIENCE_S).close()
    return f"s3://{bucket}/evershelf"


@pytest.fixture
def registry(place):
    return ObjectRegistry(place)


def publish(registry, folder, version, **made):
    manifest = snapshot_folder(folder / version, version, **made)
    registry.publish("snapshots", manifest, folder / version)
    return manifest


def test_a_version_comes_back_as_it_was_published(registry, tmp_path):
    manifest = publish(registry, tmp_path, "s1", content=b"shelf" * 1_000)
    assert registry.manifest("snapshots", "s1") == manifest
    copy = registry.fetch("snapshots", "s1", tmp_path / "copies")
    assert (copy / "items.jsonl").read_bytes() == b"shelf" * 1_000
    (copy / "items.jsonl").write_bytes(b"spoilt on our own disk")
    assert registry.fetch("snapshots", "s1", tmp_path / "copies") == copy
    assert (copy / "items.jsonl").read_bytes() == b"shelf" * 1_000
    registry.check("snapshots", "s1")


def test_versions_are_immutable(registry, tmp_path):
    publish(registry, tmp_path, "s1")
    publish(registry, tmp_path, "s1")
    with pytest.raises(VersionConflict):
        publish(registry, tmp_path, "s1", content=b"other")
    assert (registry.fetch("snapshots", "s1", tmp_path / "copies") / "items.jsonl").read_bytes() == b"shelf"


def test_versions_stand_in_order_of_time(registry, tmp_path):
    for age_h, version in enumerate(["new", "mid", "old"]):
        publish(registry, tmp_path, version, age_h=age_h)
    assert registry.versions("snapshots") == ("old", "mid", "new")
    assert registry.versions("models") == ()


def test_aliases_move_by_compare_and_swap_and_remember_every_move(registry, tmp_path):
    for version in ("s1", "s2"):
        publish(registry, tmp_path, version)
    registry.move_alias("snapshots", "champion", "s1", expected_sequence=None, **MOVE)
    registry.move_alias("snapshots", "champion", "s2", expected_sequence=1, **MOVE)
    with pytest.raises(AliasConflict):
        registry.move_alias("snapshots", "champion", "s1", expected_sequence=1, **MOVE)
    assert registry.read_alias("snapshots", "champion").version == "s2"
    assert registry.read_alias("snapshots", "previous").version == "s1"
    assert [move.version for move in registry.alias_history("snapshots", "champion")] == ["s1", "s2"]
    with pytest.raises(ArtifactRefused) as caught:
        registry.move_alias("snapshots", "champion", "s3", expected_sequence=2, **MOVE)
    assert caught.value.reason is Refusal.MISSING


def test_of_those_who_move_at_once_exactly_one_wins(place, tmp_path):
    # Promise: no lock, only If-Match; every other is told that it was too late.
    publish(ObjectRegistry(place), tmp_path, "s1")
    won, lost, barrier = [], [], threading.Barrier(6)

    def move():
        mine = ObjectRegistry(place)
        barrier.wait(PATIENCE_S)
        try:
            won.append(mine.move_alias("snapshots", "current", "s1", expected_sequence=None, **MOVE))
        except AliasConflict as conflict:
            lost.append(conflict)

    threads = [threading.Thread(target=move) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert (len(won), len(lost)) == (1, 5)
    assert len(ObjectRegistry(place).alias_history("snapshots", "current")) == 1


def test_prune_keeps_the_newest_and_what_an_alias_names(registry, tmp_path):
    for age_h, version in enumerate(["s4", "s3", "s2", "s1"]):
        publish(registry, tmp_path, version, age_h=age_h)
    registry.move_alias("snapshots", "current", "s1", expected_sequence=None, **MOVE)
    assert registry.prune("snapshots", keep=1) == ("s2", "s3")
    assert registry.versions("snapshots") == ("s1", "s4")


def test_a_store_that_is_away_is_a_refusal_that_may_be_tried_again(place, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    away = ObjectRegistry(place)
    with pytest.raises(ArtifactRefused) as caught:
        away.read_alias("models", "champion")
    assert caught.value.reason is Refusal.MISSING
    assert not away.reachable()


def test_a_model_is_promoted_and_rolled_back_as_in_a_directory(registry, tmp_path):
    for version in ("m1", "m2"):
        registry.publish("models", model_folder(tmp_path / version, version), tmp_path / version)
        promote(registry, version, **MOVE)
        shutil.rmtree(tmp_path / version)
    assert roll_back(registry, **MOVE).version == "m1"
    assert registry.read_alias("models", "previous").version == "m2"
    assert (registry.fetch("models", "m1", tmp_path / "copies") / "items.json").exists()
