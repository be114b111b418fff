"""The verbs that publish, on a data folder that nothing has prepared yet."""

import asyncio
import json

import pytest

from evershelf.cli.context import registry as open_registry
from tests.cli.test_main import evershelf


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
