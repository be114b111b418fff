"""The lean client's promise: a whole, bounded, sound HTTP answer, or a HopError; connections are kept and given up."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop

from evershelf.gateway.hop import HEAD_BYTES_MAX, Address, HopInvalid, HopUnavailable, HttpHop
from tests.gateway.gateway_world import unused_port
from tests.gateway.hostile_inference import closing, hostile_inference, http, raw, silent

BODY_BYTES_MAX = 4_096
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@asynccontextmanager
async def hop_to(port: int):
    hop = HttpHop(Address.of(f"http://127.0.0.1:{port}"), "/v1/rank", body_bytes_max=BODY_BYTES_MAX)
    try:
        yield hop
    finally:
        await hop.close()


async def asked(hop: HttpHop):
    async with asyncio.timeout(20):
        return await hop.post(b"X-Request-Deadline-Ms: 100\r\n", b"{}")


async def eventually(holds) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nothing tells when a socket has been seen to close
            await asyncio.sleep(0.005)


def chunked(*chunks: bytes) -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


INVALID = {
    "no HTTP": b"\x00\xff garbage\r\n\r\n",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * HEAD_BYTES_MAX,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * HEAD_BYTES_MAX,
    "a body too long": b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 9_999,
    "chunks without end": chunked(*[b"x" * 100] * 100),
    "chunks of nothing but framing": chunked(*[b"x"] * BODY_BYTES_MAX * 2),
    "a length that is a word": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nhi",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    "a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a body cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nhi",
    "a compressed body": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    "a second answer unasked": OK + OK,
}


@pytest.mark.parametrize("content", INVALID.values(), ids=INVALID)
async def test_what_breaks_http_or_a_bound_is_invalid_and_its_connection_is_not_kept(content):
    async with hostile_inference(raw(content)) as inference, hop_to(inference.port) as hop:
        with pytest.raises(HopInvalid):
            await asked(hop)
        assert not hop.idle


async def test_a_sound_answer_comes_whole_chunked_or_not():
    closing_after = chunked(b"h", b"i").replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    async with hostile_inference(raw(closing_after)) as inference, hop_to(inference.port) as hop:
        assert (await asked(hop)).body == b"hi"
        inference.play = http(b"hi", "307 There", "Location: /elsewhere")
        reply = await asked(hop)
        assert (reply.status, reply.body) == (307, b"hi")  # no redirect is followed
        assert len(inference.paths) == 2


async def test_where_nobody_listens_nothing_was_touched():
    async with hop_to(unused_port()) as hop:
        with pytest.raises(HopUnavailable) as refused:
            await asked(hop)
        assert refused.value.untouched


async def test_a_goodbye_before_and_within_the_head_are_told_apart():
    # Promise: only what was surely not answered may be asked again.
    async with hostile_inference(closing) as inference, hop_to(inference.port) as hop:
        with pytest.raises(HopUnavailable) as before:
            await asked(hop)
        inference.play = raw(b"HTTP/1.1 200")
        with pytest.raises(HopUnavailable) as within:
            await asked(hop)
        assert (before.value.untouched, within.value.untouched) == (True, False)


async def test_who_gives_up_closes_the_connection():
    # Promise: the other side sees the caller go, and nothing stays open.
    async with hostile_inference(silent) as inference, hop_to(inference.port) as hop:
        waiting = hop.post(b"", b"{}")
        await eventually(lambda: inference.paths)
        waiting.cancel()
        await eventually(lambda: not hop.open)
        assert not hop.idle


class Keeping:
    """A server that answers every question on the connection it came on; `served` counts the open ones."""

    served = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served += 1
        with suppress(OSError, EOFError):
            while await reader.readline():
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
                writer.write(OK)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        self.served -= 1


async def test_connections_are_kept_and_a_closed_one_is_not_asked_again(tmp_path):
    # Promise: as many connections as questions at a time; over TCP and over a unix socket alike.
    keeping = Keeping()
    server = await asyncio.start_unix_server(keeping.serve, tmp_path / "inference.sock")
    hop = HttpHop(Address.of(f"unix:{tmp_path}/inference.sock"), "/v1/rank", body_bytes_max=BODY_BYTES_MAX)
    async with server, asyncio.timeout(20):
        for _ in range(5):
            replies = await asyncio.gather(*(hop.post(b"", b"{}") for _ in range(3)))
            assert {reply.body for reply in replies} == {b"hi"}
        assert len(hop.open) == len(hop.idle) == 3
        for connection in list(hop.open):
            connection.abort()
        assert (await hop.post(b"", b"{}")).body == b"hi"
        assert len(hop.open) == 1
        await hop.close()
        await eventually(lambda: not hop.open and not keeping.served)


def test_it_works_on_the_loop_that_gateways_run_on():
    # Promise: uvloop's transports are as good as asyncio's; a gateway runs on uvloop, these tests do not.
    async def twice() -> None:
        keeping = Keeping()
        server = await asyncio.start_server(keeping.serve, "127.0.0.1", 0)
        async with server, hop_to(server.sockets[0].getsockname()[1]) as hop:
            assert [(await asked(hop)).body for _ in range(2)] == [b"hi", b"hi"]
            assert len(hop.open) == 1
            await hop.close()
            await eventually(lambda: not hop.open and not keeping.served)

    uvloop.run(twice())


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "127.0.0.1:8081", "unix:"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ValueError, match="not an address"):
        Address.of(url)


def test_it_asks_on_the_loop_that_the_gateway_runs_on():
    # Promise: uvloop's transports are as good as asyncio's; to refuse them would leave all to the baseline.
    async def ask_once() -> bytes:
        async with hostile_inference(raw(OK)) as inference, hop_to(inference.port) as hop:
            return (await asked(hop)).body

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(ask_once()) == b"hi"
