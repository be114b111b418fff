"""A sender who never finishes a body holds neither memory nor a connection for long."""

import asyncio

from tests.gateway.gateway_world import PATIENCE_S, open_world


async def test_a_body_that_stops_arriving_is_refused_and_its_connection_closed(postgres, tmp_path):
    """The announced bytes do not come: after the limit there is an answer that says so, and then the end."""
    async with open_world(postgres.url, tmp_path, gateway_body_s_max=0.2) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 422")
    assert b"did not arrive within 0.2 s" in answer
