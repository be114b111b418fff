"""What an operator of an installation needs to see: quotas used up, events refused, how training fares."""

import pytest

from evershelf.contracts.training import RunOutcome, Verdict
from evershelf.gateway.training_watch import TrainingWatch
from evershelf.storage.training_runs import record_run
from tests.gateway.gateway_world import PATIENCE_S, open_world, raw_event


@pytest.fixture
async def world(postgres, tmp_path):
    async with open_world(postgres.url, tmp_path, gateway_quota_per_s=1.0, gateway_quota_burst_s=3.0) as world:
        yield world


async def scraped(world) -> str:
    return (await world.client.get("/metrics")).text


async def test_a_quota_that_is_used_up_is_counted_by_scope_and_owner(world):
    # Promise: 429s can be told apart: who asked for what, and whose quota it was.
    key = {"Authorization": f"Bearer {world.keys['recommend']}"}
    statuses = [(await world.client.get("/v1/recommendations", headers=key)).status_code for _ in range(8)]
    name = 'evershelf_quota_refusals_total{quota="default",scope="recommend"}'
    assert statuses.count(429) > 0
    assert f"{name} {statuses.count(429)}.0" in await scraped(world)


async def test_events_that_are_refused_are_counted_one_by_one(world):
    # Promise: each event of a batch that is answered 503 counts.
    await world.parts.spool.close()
    answer = await world.client.post("/v1/events", json={"events": [raw_event(), raw_event()]})
    assert answer.status_code == 503
    assert "evershelf_events_refused_total 2.0" in await scraped(world)


async def test_the_last_training_run_is_told_by_the_gateway(world):
    # Promise: a batch program's outcome can be scraped from a process that lives; what is not known is not told.
    assert "evershelf_training_age_seconds" not in await scraped(world)
    watch = TrainingWatch(world.parts)
    await watch.look()
    assert watch._ages() == {}
    checks = {Verdict.OK: 7, Verdict.BLOCK: 1}
    await record_run(world.settings.database_url.get_secret_value(), RunOutcome.REFUSED, None, checks, actor="test")
    await watch.look()
    text = await scraped(world)
    assert 'evershelf_training_last_outcome{outcome="refused"} 1.0' in text
    assert 'evershelf_training_data_checks{verdict="ok"} 7.0' in text
    assert 0 <= watch._ages()["evershelf_training_age_seconds"] < PATIENCE_S
