"""A gateway that was restarted remembers nobody, and treats all as before: PostgreSQL is asked where it matters."""

import asyncio
from contextlib import asynccontextmanager

import httpx2
import pytest

from evershelf.contracts.recommendations import Reason, Source
from tests.gateway.gateway_world import PATIENCE_S, eventually, ids, make_keys, raw_event, serving, shop, valid

HOLDOUT_SHARE = 0.5
PLACEMENTS = {
    "popular-new": {"ladder": ["popular", "static"], "seen_items": "hide_purchased"},
    "related-only": {"ladder": ["related", "popular", "static"], "seen_items": "show"},
    "popular-all": {"ladder": ["popular", "static"], "seen_items": "show"},
}


@asynccontextmanager
async def running(settings, key):
    async with (
        serving(settings) as (parts, port),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client,
    ):
        client.headers |= {"Authorization": f"Bearer {key}", "X-Request-Deadline-Ms": "2000"}
        yield parts, client


@pytest.fixture
async def restarted(postgres, tmp_path):
    """A gateway's parts and client; a held-out and another user bought `mugs-0` at the gateway before it."""
    async with shop(postgres.url, tmp_path, gateway_holdout_share=HOLDOUT_SHARE) as (settings, pool):
        key = (await make_keys(pool))["admin"]
        async with running(settings, key) as (parts, client):
            names = [f"user-{number}" for number in range(200)]
            held = next(name for name in names if parts.rollout.holds_out(name))
            other = next(name for name in names if not parts.rollout.holds_out(name))
            for name, definition in PLACEMENTS.items():
                stored = await client.put(f"/v1/placements/{name}", json={"name": name} | definition)
                assert stored.status_code == 200, stored.text
            bought = [raw_event(user_id=name, item_id="mugs-0", event_type="purchase") for name in (held, other)]
            assert (await client.post("/v1/events", json={"events": bought})).status_code == 202

            async def shipped() -> bool:
                return not parts.spool.counts().pending

            await eventually(shipped)
        async with running(settings, key) as (parts, client):
            assert not parts.history.cached(other, None)

            async def connected() -> bool:
                return parts.database.pool is not None and parts.loop_lag.lag_ms < 20

            await eventually(connected)
            yield client, parts, held, other


async def test_what_a_user_bought_stays_hidden_without_a_model(restarted):
    # Promise (G4): rules hold on placements that never ask a model.
    client, _, _, other = restarted
    answer = valid(await client.get(f"/v1/recommendations?placement=popular-new&user_id={other}&k=100"))
    assert "mugs-0" not in ids(answer)
    assert (answer.reason, answer.degraded) == (Reason.NOT_IN_LADDER, False)


async def test_the_related_rung_knows_its_user(restarted):
    # Promise: a rung that lives on the history gets it.
    client, _, _, other = restarted
    answer = valid(await client.get(f"/v1/recommendations?placement=related-only&user_id={other}"))
    assert answer.source is Source.RELATED


async def test_held_out_users_get_the_whole_baseline(restarted):
    # Promise: the holdout is compared with the model, not with strangers' lists.
    client, _, held, _ = restarted
    answer = valid(await client.get(f"/v1/recommendations?user_id={held}&k=100"))
    assert (answer.source, answer.reason, answer.degraded) == (Source.RELATED, Reason.HOLDOUT, False)
    assert "mugs-0" not in ids(answer)


async def test_where_no_history_matters_none_is_read(restarted):
    # Promise: PostgreSQL is spared where the answer would be the same.
    client, parts, _, other = restarted
    valid(await client.get(f"/v1/recommendations?placement=popular-all&user_id={other}"))
    await asyncio.sleep(0)
    assert not parts.history.complete(other, None)
