"""Each training run is on record, however it ended."""

import asyncio
from types import SimpleNamespace

import pytest

from evershelf.cli.training_record import recorded
from evershelf.contracts.training import RunOutcome, Verdict
from evershelf.storage.training_runs import last_run
from evershelf.training.validate import DataCheck, DataRefusedError

CHECKS = (DataCheck("events", Verdict.OK, ""), DataCheck("freshness", Verdict.WARN, ""))


def ended(*, promoted: bool = False, challenging: bool = False):
    manifest = SimpleNamespace(version="m-1")
    return SimpleNamespace(manifest=manifest, promoted=promoted, challenging=challenging, checks=CHECKS)


@pytest.mark.parametrize(
    ("trained", "outcome"),
    [
        (ended(promoted=True), RunOutcome.PROMOTED),
        (ended(challenging=True), RunOutcome.CHALLENGER),
        (ended(), RunOutcome.HELD),
    ],
)
async def test_a_run_that_made_a_version_is_on_record(database_url, pool, trained, outcome):
    # Promise: outcome, version and what the checks of the data said can be read by every gateway.
    assert await last_run(pool) is None
    assert await asyncio.to_thread(recorded, database_url, lambda: trained) is trained
    run = await last_run(pool)
    assert (run.outcome, run.model_version, run.checks) == (outcome, "m-1", {Verdict.OK: 1, Verdict.WARN: 1})


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (DataRefusedError((DataCheck("events", Verdict.BLOCK, "none"),)), RunOutcome.REFUSED),
        (MemoryError(), RunOutcome.FAILED),
    ],
)
async def test_a_run_that_made_none_is_on_record_too(database_url, pool, error, outcome):
    # Promise: a run that ends by an error raises it all the same.
    def run():
        raise error

    with pytest.raises(type(error)):
        await asyncio.to_thread(recorded, database_url, run)
    found = await last_run(pool)
    assert (found.outcome, found.model_version) == (outcome, None)


async def test_a_database_that_is_away_spoils_no_training(capsys):
    # Promise: what was trained stays trained; the missing record is told.
    trained = ended(promoted=True)
    assert await asyncio.to_thread(recorded, "postgresql://nobody@127.0.0.1:1/none", lambda: trained) is trained
    assert "not on record" in capsys.readouterr().err
