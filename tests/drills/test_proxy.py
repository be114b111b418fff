"""Each fault of the proxy seen through a real client, from the process that drills use."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from evershelf.drills.link_fault import Ending, LinkFault, Trickle
from evershelf.drills.proxy import FaultProxy, ProxyFailedError
from tests.drills.echo import Echo

LINK = "echo"
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with closing(Echo()) as echo:
        yield echo


@pytest.fixture
def proxy(echo) -> Iterator[FaultProxy]:
    with closing(FaultProxy({LINK: echo.port}, seed=3)) as proxy:
        yield proxy


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.ports[LINK]), timeout=PATIENCE_S)


def ask(connection: socket.socket, body: bytes = b'{"queries":[{"history":[{}]}]}', budget_ms: int = 120) -> None:
    head = f"POST /v1/rank HTTP/1.1\r\nX-Request-Deadline-Ms: {budget_ms}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)


def reply(connection: socket.socket) -> bytes:
    """Everything until the reply is whole (it ends with a newline) or the other side ends."""
    received = bytearray()
    while not received.endswith(b"\n"):
        data = connection.recv(65_536)
        if not data:
            break
        received += data
    return bytes(received)


def is_silent(connection: socket.socket, seconds: float = 0.3) -> bool:
    connection.settimeout(seconds)
    try:
        return connection.recv(1) is None
    except TimeoutError:
        return True
    finally:
        connection.settimeout(PATIENCE_S)


def test_a_link_that_is_well_passes_everything_and_counts_it(proxy, echo):
    # Promise: bytes pass both ways, also on one connection in turn, and each request counts as one call.
    with connect(proxy) as connection:
        for budget_ms in (120, 90):
            ask(connection, budget_ms=budget_ms)
            assert reply(connection) == echo.answer
        ask(connection, b'{"queries":[{"history":[],"k":1}]}')
        assert reply(connection) == echo.answer
    calls = sorted(proxy.calls(LINK), key=lambda call: call.at_s)
    assert [call.budget_ms for call in calls] == [120, 90, 120]
    assert [call.is_probe for call in calls] == [False, False, True]
    assert all(call.duration_ms is not None for call in calls)
    assert proxy.tally(LINK).struck == 0


def test_a_delay_is_felt(proxy, echo):
    # Promise: a reply is at least so late, on a connection that existed before.
    with connect(proxy) as connection:
        ask(connection)
        reply(connection)
        proxy.become(LINK, LinkFault(delay_ms=150))
        began_s = time.monotonic()
        ask(connection)
        assert reply(connection) == echo.answer
        assert time.monotonic() - began_s >= 0.15
    assert proxy.tally(LINK).struck == 1


def test_a_rate_is_kept(proxy, echo):
    # Promise: the whole link passes at most so many bytes a second.
    proxy.become(LINK, LinkFault(rate_bytes_per_s=len(echo.answer) * 4))
    began_s = time.monotonic()
    with connect(proxy) as connection:
        for _ in range(2):
            ask(connection)
            assert reply(connection) == echo.answer
    assert time.monotonic() - began_s >= 0.5


def test_a_trickle_comes_byte_by_byte(proxy):
    # Promise: after the head, one byte at a time.
    proxy.become(LINK, LinkFault(trickle=Trickle.BODY, trickle_ms=40))
    with connect(proxy) as connection:
        ask(connection)
        assert connection.recv(65_536).endswith(b"\r\n\r\n")
        assert [len(connection.recv(65_536)) for _ in range(3)] == [1, 1, 1]


def test_a_black_hole_swallows_old_and_new_connections_and_gives_back(proxy, echo):
    # Promise: connections open, nothing moves; after healing what was stuck arrives.
    with connect(proxy) as old:
        ask(old)
        assert reply(old) == echo.answer
        proxy.become(LINK, LinkFault(black_hole=True))
        with connect(proxy) as new:
            ask(old)
            ask(new)
            assert is_silent(old)
            assert is_silent(new)
            proxy.become(LINK, LinkFault())
            assert reply(old) == reply(new) == echo.answer


def test_a_refusal_is_a_refusal_and_can_be_taken_back(proxy, echo):
    # Promise: nobody listens on the port, old connections are reset, and the same port serves afterwards.
    with connect(proxy) as old:
        ask(old)
        reply(old)
        proxy.become(LINK, LinkFault(refuse=True))
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)
        with pytest.raises(ConnectionResetError):
            old.recv(1)
    proxy.become(LINK, LinkFault())
    with connect(proxy) as new:
        ask(new)
        assert reply(new) == echo.answer


@pytest.mark.parametrize("at_byte", [0, 30, 80])
def test_a_reply_is_cut_reset_half_closed_or_stalled_at_its_byte(proxy, echo, at_byte):
    # Promise: exactly so many bytes, then a reset, an end, an end one way, or silence.
    for ending in Ending:
        proxy.become(LINK, LinkFault(ending=ending, at_byte=at_byte))
        with connect(proxy) as connection:
            ask(connection)
            received = b""
            while len(received) < at_byte:
                received += connection.recv(at_byte - len(received))
            assert received == echo.answer[:at_byte]
            match ending:
                case Ending.RESET:
                    with pytest.raises(ConnectionResetError):
                        connection.recv(1)
                case Ending.CUT | Ending.HALF_CLOSE:
                    assert connection.recv(1) == b""
                case Ending.STALL:
                    assert is_silent(connection)


def test_corruption_reaches_the_client(proxy, echo):
    # Promise: the reply has its length, and other bytes.
    proxy.become(LINK, LinkFault(corrupt_share=0.2))
    with connect(proxy) as connection:
        ask(connection)
        received = connection.recv(65_536)
    assert len(received) <= len(echo.answer)
    assert received != echo.answer[: len(received)]


def test_a_share_strikes_some(proxy, echo):
    # Promise: of many exchanges about the share is struck, and exactly those are counted.
    proxy.become(LINK, LinkFault(share=0.3, ending=Ending.CUT, at_byte=0))
    cut = 0
    for _ in range(100):
        with connect(proxy) as connection:
            ask(connection)
            cut += reply(connection) != echo.answer
    assert 15 <= cut <= 45
    assert proxy.tally(LINK).struck == cut


def test_another_target_takes_over(proxy):
    # Promise: new connections reach the new target; one that is away resets its caller, and the call still counts.
    with closing(Echo(b"another\n")) as other:
        proxy.aim(LINK, other.port)
        with connect(proxy) as connection:
            ask(connection)
            assert reply(connection) == other.answer
    proxy.cut(LINK)
    with connect(proxy) as connection:
        ask(connection)
        with pytest.raises(ConnectionResetError):
            reply(connection)
    assert len(proxy.calls(LINK)) == 2


def test_a_command_that_is_none_is_refused(proxy):
    # Promise: a mistake of the runner's is said, and the proxy goes on.
    with pytest.raises(ProxyFailedError, match="KeyError"):
        proxy.become("nowhere", LinkFault())
    assert proxy.tally(LINK).connections == 0


async def test_many_connections_at_once(proxy, echo):
    # Promise: a hundred callers at a time are served.
    async def one() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[LINK])
        writer.write(b"POST / HTTP/1.1\r\n\r\n")
        received = await reader.readexactly(len(echo.answer))
        writer.close()
        await writer.wait_closed()
        return received

    assert set(await asyncio.gather(*(one() for _ in range(100)))) == {echo.answer}
