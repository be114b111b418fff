"""Quotas of keys: told on every answer, kept in every process by itself, and the only reason for a 429."""

import pytest
import pytest_asyncio

from evershelf.contracts.keys import Scope
from evershelf.storage.keys import create_key, mint_key
from tests.gateway.gateway_world import SECRET, eventually, open_world, raw_event, valid
from tests.gateway.test_shed import admissions

pytestmark = pytest.mark.asyncio(loop_scope="module")
ASK = "/v1/recommendations"
# So slow that no token comes back while a test runs: ten at once, then one in a thousand seconds.
SLOW_PER_S, BURST_S, AT_ONCE = 0.001, 10_000.0, 10


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("quotas")
    async with open_world(postgres.url, folder, gateway_quota_burst_s=BURST_S) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def metered(world) -> dict[str, str]:
    """The header of a new key with a quota of its own, known to the gateway."""
    plain, stored = mint_key(bytes.fromhex(SECRET), "metered", [Scope.ADMIN], quota_per_s=SLOW_PER_S)
    await create_key(world.pool, stored, actor="test")

    async def known() -> bool:
        return stored.key_id in world.parts.mirror.keys

    await eventually(known)
    return {"Authorization": f"Bearer {plain}"}


async def test_requests_are_counted_down_and_then_refused(world, metered):
    # Promise: each answer says what is left; beyond it 429 with Retry-After, as a problem, and nothing is done.
    for left in range(AT_ONCE - 1, -1, -1):
        answer = await world.client.get(ASK, headers=metered)
        valid(answer)
        assert answer.headers["RateLimit-Policy"] == f'"requests";q={AT_ONCE};w={int(BURST_S)}'
        assert answer.headers["RateLimit"].startswith(f'"requests";r={left};t=')
    for refused in (await world.client.get(ASK, headers=metered), await world.client.get("/v1/items", headers=metered)):
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/quota-exceeded")
        assert 1 <= int(refused.headers["Retry-After"]) <= 1 / SLOW_PER_S
        assert refused.headers["RateLimit"].startswith('"requests";r=0;t=')
    events = await world.client.post("/v1/events", json={"events": [raw_event()]}, headers=metered)
    assert events.status_code == 429


async def test_every_way_to_be_answered_takes_one_request_off(world, metered):
    # Promise: front, FastAPI, a refused question, an operator's route with two scopes: one each.
    ways = [
        world.client.get(ASK, headers=metered),
        world.client.get(f"{ASK}?k=0", headers=metered),
        world.client.post(ASK, json={"k": 0}, headers=metered),
        world.client.get("/v1/popular", headers=metered),
        world.client.get("/v1/placements", headers=metered),
        world.client.post("/v1/events", json={"events": [raw_event()]}, headers=metered),
    ]
    for taken, way in enumerate(ways, start=1):
        assert (await way).headers["RateLimit"].startswith(f'"requests";r={AT_ONCE - taken};t=')


async def test_a_shed_answer_takes_its_request_off(world, metered):
    # Promise: load is no way around a quota, and a quota is no way around the headers.
    world.parts.admission.in_hand += 1_000_000
    before = await admissions(world, "interactive", "shed")
    try:
        for left in range(AT_ONCE - 1, -1, -1):
            answer = await world.client.get(ASK, headers=metered)
            assert valid(answer).reason == "overloaded"
            assert answer.headers["RateLimit"].startswith(f'"requests";r={left};t=')
        assert (await world.client.get(ASK, headers=metered)).status_code == 429
        assert await admissions(world, "interactive", "shed") == before + AT_ONCE  # a refusal is no admission
    finally:
        world.parts.admission.in_hand -= 1_000_000


async def test_a_key_without_a_quota_is_not_metered(world):
    # Promise: where neither key nor settings name one, nothing is counted and nothing told.
    for _ in range(3 * AT_ONCE):
        answer = await world.client.get(ASK)
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


async def test_the_settings_quota_is_for_keys_without_one(postgres, tmp_path):
    # Promise: a default in the settings holds for every key that has none of its own.
    async with open_world(postgres.url, tmp_path, gateway_quota_per_s=SLOW_PER_S, gateway_quota_burst_s=2_000) as world:
        assert [(await world.client.get(ASK)).status_code for _ in range(3)] == [200, 200, 429]
        assert (await world.client.get(ASK, headers=world.bearer("recommend"))).status_code == 200
