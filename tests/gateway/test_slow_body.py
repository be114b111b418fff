"""A sender who never finishes a body holds neither memory nor a connection for long."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from evershelf.gateway.body_limit import BATCHES_BYTES_MAX
from tests.gateway.gateway_world import PATIENCE_S, connection, eventually, open_world, raw_event


def head(key: str, length: int, path: str = "/v1/events") -> bytes:
    """The head of a POST whose body has this length."""
    lines = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    return f"{lines}Content-Length: {length}\r\n\r\n".encode()


async def test_a_body_that_stops_arriving_is_refused_and_its_connection_closed(postgres, tmp_path):
    """The announced bytes do not come: after the limit there is an answer that says so, and then the end."""
    async with open_world(postgres.url, tmp_path, gateway_body_s_max=0.2) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(head(world.keys["events"], 1_000) + b"{")
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 422")
    assert b"did not arrive within 0.2 s" in answer


@pytest.mark.parametrize("path", ["/v1/events", "/v1/recommendations", "/v1/items/bulk", "/v1/users/bulk"])
@pytest.mark.parametrize("key", ["", "evs_0123456789ab_" + "x" * 43])
async def test_no_body_is_read_of_a_caller_whom_nobody_knows(postgres, tmp_path, path, key):
    # Promise (G25): without a valid key the answer comes before the body does, which is never held.
    async with open_world(postgres.url, tmp_path) as world, connection(world.port) as (reader, writer):
        writer.write(head(key, 60_000, path) + b"{")
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"connection: close" in answer.lower()
        writer.write(b" " * 59_999)
        assert json.loads(await reader.read())["type"] in {"/problems/missing-key", "/problems/wrong-key"}


async def test_all_batches_together_have_a_limit(postgres, tmp_path):
    # Promise (G25): of bodies that never end no more is held than the limit; a batch beyond it is told to come again,
    # and those that come when the others have gone are taken.
    size = 1_000_000
    async with open_world(postgres.url, tmp_path, gateway_body_s_max=PATIENCE_S) as world:
        one = json.dumps({"events": [raw_event()]}).encode()
        async with AsyncExitStack() as holding:
            for _ in range(BATCHES_BYTES_MAX // size + 1):
                reader, writer = await holding.enter_async_context(connection(world.port))
                writer.write(head(world.keys["events"], size) + b" " * (size - 1))
                await writer.drain()
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after" in answer.lower()
            async with connection(world.port) as (_, asking):  # questions are no batches
                asking.write(head(world.keys["recommend"], 2, "/v1/recommendations") + b"{}")
                assert (await _.readline()).startswith(b"HTTP/1.1 200")

        async def taken() -> bool:
            events = {"Authorization": f"Bearer {world.keys['events']}", "Content-Type": "application/json"}
            return (await world.client.post("/v1/events", content=one, headers=events)).status_code == 202

        await eventually(taken)
