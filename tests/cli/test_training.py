"""The verbs that publish, on a data folder that nothing has prepared yet."""

import asyncio
import json

import pytest

from evershelf.cli.context import registry as open_registry
from tests.cli.test_main import evershelf
from tests.inference.fake_model import publish_champion


@pytest.mark.parametrize("champion", [None, "gone"])
async def test_a_snapshot_comes_without_a_champion_to_renew(tmp_path, database_url, champion, monkeypatch):
    # Promise: no champion, or one that cannot be read, holds the renewal only, and says so by exit code 3.
    monkeypatch.delenv("EVERSHELF_REGISTRY", raising=False)
    home = tmp_path / "new"
    if champion:
        registry = publish_champion(home / "registry", champion)
        (registry.path("models", champion) / "manifest.json").unlink()
    options = ("--model", "--json", "--data-dir", str(home))
    done = await asyncio.to_thread(evershelf, "refresh", *options, EVERSHELF_DATABASE_URL=database_url)
    assert done.returncode == 3, done.stderr
    assert open_registry(home).read_alias("snapshots", "current").version == json.loads(done.stdout)["version"]


@pytest.mark.parametrize("verb", ["refresh", "train", "retrain"])
async def test_the_first_verb_with_a_database_of_its_own_signs(tmp_path, database_url, verb, monkeypatch):
    # Promise: whoever publishes first makes the signing key first; no unsigned version ever lies in the registry.
    monkeypatch.delenv("EVERSHELF_REGISTRY", raising=False)
    own = {"EVERSHELF_DATABASE_URL": database_url}
    done = await asyncio.to_thread(evershelf, verb, "--json", "--data-dir", str(tmp_path / "new"), **own)
    registry = open_registry(tmp_path / "new")
    assert registry.public_keys
    if verb == "refresh":
        assert registry.manifest("snapshots", json.loads(done.stdout)["version"]).signature is not None
