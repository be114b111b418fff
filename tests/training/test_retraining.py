"""`evershelf retrain` as a schedule runs it: one at a time, nothing half done after a kill, an exit code that tells."""

import asyncio
import json
import os
import signal
import sys

import pytest

from evershelf.cli.context import registry as open_registry
from evershelf.cli.exits import BUSY, GATE_HELD
from evershelf.cli.retraining import TURN

PATIENCE_S = 240.0
pytestmark = pytest.mark.timeout(3 * PATIENCE_S)
# Looked at from outside: asking for the turn would take it.
IS_TAKEN = """
SELECT EXISTS (SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND objid = (hashtext('evershelf.turns.' || $1)::bigint & 4294967295)::oid)
"""


@pytest.fixture
async def retrain(tmp_path, monkeypatch):
    """Starts the verb in a process of its own, on a database that the test names."""
    monkeypatch.delenv("EVERSHELF_REGISTRY", raising=False)
    begun = []

    async def start(url):
        own = {"EVERSHELF_DATABASE_URL": url, "EVERSHELF_TRAINING_CANDIDATES_MAX": "2"}
        words = ("-m", "evershelf.cli", "retrain", "--json", "--data-dir", str(tmp_path / "home"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, env={**os.environ, **own}, stdout=asyncio.subprocess.PIPE
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def told(process):
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode, json.loads(out)


async def until(pool, *, taken):
    while await pool.fetchval(IS_TAKEN, TURN) is not taken:  # noqa: ASYNC110 - the server's locks notify nobody
        await asyncio.sleep(0.05)


async def test_of_two_at_once_one_runs_and_a_kill_leaves_nothing_behind(filled_database_url, pool, retrain, tmp_path):
    # Promise: the lock is the process's; killed half-way it is free again, and no alias names half a version.
    registry, url = open_registry(tmp_path / "home"), filled_database_url
    first = await retrain(url)
    await asyncio.wait_for(until(pool, taken=True), PATIENCE_S)
    first.send_signal(signal.SIGSTOP)  # or it may be done before the second has begun
    code, second = await told(await retrain(url))
    assert (code, second["outcome"]) == (BUSY, "busy")
    first.send_signal(signal.SIGKILL)
    await first.communicate()
    await asyncio.wait_for(until(pool, taken=False), PATIENCE_S)
    assert registry.read_alias("models", "champion") is None
    for version in registry.versions("models"):
        registry.check("models", version)
    code, third = await told(await retrain(url))
    assert (code, third["outcome"], third["failed_checks"]) == (0, "promoted", [])
    registry = open_registry(tmp_path / "home")  # now with the key that the first one made
    assert registry.read_alias("models", "champion").version == third["model"]
    assert registry.manifest("models", third["model"]).signature is not None
    assert registry.read_alias("snapshots", "current").version == third["snapshot"]


async def test_data_that_cannot_teach_are_told_by_the_exit_code(database_url, retrain):
    # Promise: a schedule reads 3, held, and why.
    code, found = await told(await retrain(database_url))
    assert (code, found["outcome"]) == (GATE_HELD, "held")
    assert "at least" in found["data"]
