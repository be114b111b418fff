"""Privacy of the living (G27): whatever people do or callers get wrong, no log, metric or span holds a byte of them."""

import json
from uuid import uuid4

import pytest
import structlog

from evershelf.storage.errors import StorageRefused
from evershelf.storage.postgres import transaction
from tests.gateway.gateway_world import eventually, open_world, raw_event, valid
from tests.tracing.otlp_receiver import receiving

ASK = "/v1/recommendations"
SLOWLY = {"X-Request-Deadline-Ms": "2000"}  # this machine may be busy


@pytest.fixture
def mark() -> str:
    """Bytes that stand nowhere else."""
    return f"zq{uuid4().hex}qz"


@pytest.fixture
async def told(postgres, tmp_path):
    """A gateway that traces every request, with the spans that it sends."""
    given = {"trace_share": 1.0, "traces_per_s_max": 1_000, "gateway_ship_attempts_max": 1}
    with receiving() as receiver:
        async with open_world(postgres.url, tmp_path, otlp_url=receiver.url, **given) as world:
            yield world, receiver


async def go_wrong(world, mark: str) -> None:
    """Every kind of request that is refused, with the mark in every part of it."""
    user, client = f"user-{mark}", world.client
    sound = raw_event(user_id=user)
    for event in (
        sound | {"event_type": mark}, sound | {"occurred_at": mark}, sound | {"value": mark}, sound | {"unknown": mark},
        sound | {"user_id": user * 100}, sound | {"event_id": mark}, sound | {"item_id": f"{mark}\u0000"},
    ):  # fmt: skip
        await client.post("/v1/events", json={"events": [event]})
    await client.post("/v1/events", json={"events": [sound]})
    await client.post("/v1/events", json={"events": [sound | {"item_id": "mugs-1"}]})  # a conflict
    await client.post("/v1/events", content=json.dumps({"events": [sound]})[:-9])
    await client.post("/v1/events", content=json.dumps({"events": [sound | {"user_id": f"{user}\ud800"}]}))
    for question in (f"placement={mark}", f"user_id={user}&k={mark}", f"user_id={user * 100}", f"category={mark}"):
        await client.get(f"{ASK}?{question}", headers=SLOWLY)
    await client.post(ASK, json={"user_id": user, mark: mark})
    for method, path in (("GET", f"/v1/{mark}"), ("PUT", f"/v1/users/{user}"), ("POST", f"/v1/users/{user}")):
        await client.request(method, path, json={"user_id": user, "attributes": mark})
    await client.get(f"{ASK}?user_id={user}", headers={"Authorization": f"Bearer evs_{mark[:8]}_{mark}"})
    await client.get(f"{ASK}?user_id={user}", headers={"X-Request-Deadline-Ms": mark, "X-Request-Id": mark})


async def test_nothing_of_the_living_is_told(told, mark, capfd):
    # Promise: sound requests, refused ones, and an event that PostgreSQL refuses, quoting its row.
    world, receiver = told
    await world.pool.execute("ALTER TABLE events ADD CONSTRAINT odd CHECK (item_id <> 'verse-1') NOT VALID")
    await go_wrong(world, mark)
    await world.see(f"user-{mark}", "mugs-0")
    await world.see(f"user-{mark}", "verse-1")
    valid(await world.client.get(f"{ASK}?user_id=user-{mark}&session_id=session-{mark}", headers=SLOWLY))

    async def settled() -> bool:
        return world.parts.spool.counts().pending == 0 and len(receiver.spans) > 2

    await eventually(settled)
    reasons = [row["reason"] for row in await world.pool.fetch("SELECT reason FROM dead_letter_events")]
    assert any("odd" in reason for reason in reasons)
    assert mark not in " ".join(reasons)
    assert mark not in (await world.client.get("/metrics")).text
    assert mark.encode() not in b"".join(span.SerializeToString() for _, span in receiver.spans)
    logged = "".join(capfd.readouterr())
    assert "events_buried" in logged
    assert mark not in logged


async def test_the_scan_of_the_log_would_find_it(capfd, mark):
    # The check is checked: what is logged can be read here.
    structlog.get_logger().warning("planted", user_id=mark)
    assert mark in "".join(capfd.readouterr())


async def test_a_value_that_the_driver_refuses_is_not_quoted(postgres, tmp_path, mark):
    # Promise: the driver's own message quotes the value; what is logged and kept of it does not.
    async with open_world(postgres.url, tmp_path) as world:
        with pytest.raises(StorageRefused) as refused:
            async with transaction(world.pool) as connection:
                await connection.fetch("SELECT $1::text", f"{mark}\ud800")
        assert mark not in str(refused.value)
        with pytest.raises(StorageRefused) as refused:
            async with transaction(world.pool) as connection:
                await connection.fetch("SELECT $1::text::int", mark)
        assert mark not in str(refused.value)
