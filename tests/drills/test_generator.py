"""The generator sends on schedule, answers or not, and says truly what became of every request."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from evershelf.drills.answers import Answer, Mishap
from evershelf.drills.load import GeneratorFailedError, Load
from evershelf.drills.plan import Ask, Plan, Stream

PATIENCE_S = 30.0
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve):
    """A server whose every answer `serve` gives; yields its port."""
    tasks = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with suppress(OSError, EOFError, asyncio.CancelledError):
            while True:
                await serve(await reader.readuntil(b"\r\n\r\n"), writer)
                await writer.drain()
        writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def good(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(GOOD)


def stream(*ports: int, rate_per_s: float = 100.0, **other) -> Stream:
    asks = tuple(Ask("GET", f"/{number}") for number in range(10))
    return Stream("all", ports, rate_per_s, asks, **other)


async def sent(*streams: Stream, seconds: float = 1.0, give_up_s: float = 10.0) -> list[Answer]:
    load = Load(Plan(seconds, streams, give_up_s=give_up_s))
    try:
        await asyncio.to_thread(load.wait, PATIENCE_S)
        return list(load.answers())
    finally:
        load.close()


async def test_every_request_is_sent_and_answered():
    # Promise: rate times seconds requests, each with its status, its body and times in order.
    async with server(good) as port:
        answers = await sent(stream(port))
    assert len(answers) == 100
    assert {(each.status, each.mishap, each.body) for each in answers} == {(200, Mishap.NONE, b"hello")}
    assert all(each.due_s <= each.sent_s <= each.done_s for each in answers)
    assert Counter(each.ask for each in answers) == Counter(dict.fromkeys(range(10), 10))


async def test_latency_counts_from_the_scheduled_time():
    # Promise: a server that holds everybody up once is slow for all who were due meanwhile, not for one.
    held = asyncio.Event()

    async def serve(_: bytes, writer: asyncio.StreamWriter) -> None:
        if not held.is_set():
            held.set()
            time.sleep(0.5)  # noqa: ASYNC251 - holding up the whole server is the point
        writer.write(GOOD)

    async with server(serve) as port:
        answers = await sent(stream(port))
    assert sum(each.latency_ms > 200 for each in answers) >= 25


async def test_a_server_that_does_not_answer_does_not_stop_the_schedule():
    # Promise: open loop: all are sent when due, and each is told as unanswered at the end.
    async def silent(_: bytes, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with server(silent) as port:
        answers = await sent(stream(port), give_up_s=0.5)
    assert {each.mishap for each in answers} == {Mishap.NO_ANSWER}
    assert len(answers) == 100


async def test_refused_reset_and_unreadable_are_told_apart():
    # Promise: each way of getting no answer has its own name.
    async def hang_up(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def nonsense(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"nonsense\r\n\r\n")

    async with server(good) as closed_port:
        pass
    assert {each.mishap for each in await sent(stream(closed_port), seconds=0.1)} == {Mishap.REFUSED}
    for serve, mishap in ((hang_up, Mishap.RESET), (nonsense, Mishap.UNREADABLE)):
        async with server(serve) as port:
            assert {each.mishap for each in await sent(stream(port), seconds=0.1)} == {mishap}


async def test_a_connection_that_the_server_will_close_is_not_used_again():
    # Promise: who is told that a connection ends with this answer asks on another one, as HTTP demands.
    told: set[asyncio.StreamWriter] = set()
    asked_again = []

    async def last(_: bytes, writer: asyncio.StreamWriter) -> None:
        asked_again.append(writer in told)
        told.add(writer)
        writer.write(GOOD.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    async with server(last) as port:
        answers = await sent(stream(port))
    assert {(each.status, each.mishap) for each in answers} == {(200, Mishap.NONE)}
    assert not any(asked_again)


async def test_a_stream_fails_over_to_its_next_port():
    # Promise: with a retry, a dead first server costs nothing but the second attempt; without one it costs the answer.
    async with server(good) as dead_port:
        pass
    async with server(good) as port:
        answers = await sent(stream(dead_port, port, retries_max=1), seconds=0.2)
    assert {(each.status, each.attempts) for each in answers} == {(200, 2)}


async def test_an_impatient_client_asks_again():
    # Promise: after `retry_after_ms` the request goes to the next port, and only then.
    async def silent(_: bytes, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with server(silent) as frozen_port, server(good) as port:
        answers = await sent(stream(frozen_port, port, retries_max=1, retry_after_ms=50.0), seconds=0.2)
    assert {each.status for each in answers} == {200}
    assert not [(each.latency_ms, each.attempts) for each in answers if each.latency_ms < 50 or each.attempts != 2]


async def test_server_errors_are_told_or_asked_again():
    # Promise: a 500 is a 500; with a retry the second answer counts.
    asked = Counter()

    async def failing(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked[head] += 1
        bad = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
        writer.write(bad if asked.total() % 2 else GOOD)

    async with server(failing) as port:
        once = await sent(stream(port), seconds=0.2)
        twice = await sent(stream(port, retries_max=3), seconds=0.2)
    assert 500 in {each.status for each in once}
    assert {each.status for each in twice} == {200}


async def test_sigterm_ends_the_schedule_and_keeps_the_log():
    # Promise: what was sent is logged, what was not due yet is not sent.
    async with server(good) as port:
        load = Load(Plan(600.0, (stream(port),)))
        try:
            await asyncio.sleep(1.0)
            await asyncio.to_thread(load.end)
            answers = list(load.answers())
        finally:
            load.close()
    assert 0 < len(answers) < 60_000
    assert {each.status for each in answers} == {200}


async def test_a_stream_may_have_more_asks_than_any_drill_sends():
    # Promise: every request is in the log, whichever of 100,000 it was.
    asks = tuple(Ask("GET", f"/{number}") for number in range(100_000))
    async with server(good) as port:
        answers = await sent(Stream("all", (port,), 100.0, asks))
    assert len({each.ask for each in answers}) == len(answers) == 100
    assert max(each.ask for each in answers) > 65_535


async def test_a_generator_that_failed_is_not_judged():
    # Promise: half a log is not taken for a whole one.
    async with server(good) as port:
        load = Load(Plan(600.0, (stream(port),)))
        try:
            os.kill(load.pid, signal.SIGKILL)
            await asyncio.to_thread(load.end)
            with pytest.raises(GeneratorFailedError):
                load.answers()
        finally:
            load.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same_schedule(seed, tmp_path):
    # Promise: a plan is drawn before the first request, survives its file, and two streams interleave by time.
    asks = tuple(Ask("GET", f"/{number}", (("A", "b"),), hidden=("x",)) for number in range(50))
    plan = Plan(2.0, (Stream("a", (1,), 30.0, asks), Stream("b", (2, 3), 7.0, asks[:3], begins_s=1.0)), seed=seed)
    plan.write(tmp_path / "plan")
    schedule = list(plan.schedule())
    assert Plan.read(tmp_path / "plan") == plan
    assert schedule == list(Plan.read(tmp_path / "plan").schedule())
    assert schedule == sorted(schedule)
    assert Counter(stream for _, stream, _ in schedule) == {0: 60, 1: 7}
