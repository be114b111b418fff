"""A question with the very head of the one before, on one connection, skips the parser; no answer shows it."""

import asyncio
import json
from contextlib import AsyncExitStack
from random import Random

import pytest
import pytest_asyncio

from evershelf.contracts.keys import Scope
from evershelf.contracts.placements import DEADLINE_MS_MAX
from evershelf.contracts.recommendations import Recommendation
from evershelf.storage.keys import create_key, mint_key, revoke_key
from tests.gateway.gateway_world import SECRET, connection, eventually, open_world
from tests.gateway.test_connections import ASK, answer
from tests.gateway.test_shed import LIMIT, carrying

pytestmark = pytest.mark.asyncio(loop_scope="module")
HEAD_BYTES_MAX, HEAD_S_MAX, KEPT_ALIVE_S = 2_048, 0.5, 5.0
# Answers are compared: neither a loop that was held up nor a history that came late may tell them apart.
LAG_MS_MAX = 10_000
PATIENT = f"X-Request-Deadline-Ms: {DEADLINE_MS_MAX}"
SHED, FULL = 1, 0
POSTED = (
    f"POST {ASK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {{key}}\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\n\r\n"
)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("same-head")
    limits = {
        "gateway_head_bytes_max": HEAD_BYTES_MAX, "gateway_head_s_max": HEAD_S_MAX,
        "gateway_loop_lag_ms_max": LAG_MS_MAX,
    }  # fmt: skip
    async with open_world(postgres.url, folder, gateway_answers_in_hand_max=LIMIT, **limits) as world:
        yield world


def question(key: str, query: str = "?k=3", *more: str) -> bytes:
    lines = (f"GET {ASK}{query} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", *more)
    return "\r\n".join((*lines, "", "")).encode()


async def asked(reader, writer, sent: bytes) -> tuple[int, dict]:
    writer.write(sent)
    status, _, body = await answer(reader)
    return status, json.loads(body)


def told(status: int, body: dict) -> tuple:
    """What two answers to one question have in common: the list, or the problem."""
    if status != 200:
        return status, body["type"], body.get("detail")
    shelf = Recommendation.model_validate(body)
    return status, shelf.source, shelf.reason, shelf.deadline_ms, [place.item_id for place in shelf.items]


QUERIES = (
    "?k=3", "?user_id=ann&k=5", "?session_id=s-1", "?placement=home&k=2", "?k=5&k=4", "?k=3&", "?user_id=a=b", "?k=%33",
    "?k=20&exclude=mugs-0&exclude=mugs-1", "?k=9&context_items=lamps-0&context_items=pots-1", "?user_id=a%20b", "?&k=3",
    "?k=4&category=books/crime", "?exclude=" + "&exclude=".join(f"i-{number}" for number in range(101)), "?k=0", "?k=x",
    "?user_id=", "?colour=red", "?user_id=a+b", "?placement=nowhere", "?k", "?", "", "?k=3#k=4",
)  # fmt: skip


@pytest.mark.parametrize("load", [SHED, FULL], ids=["shed", "full"])
async def test_the_same_head_is_answered_as_on_a_new_connection(world, load):
    # Promise: whatever is asked, the shortcut and the parser agree, and the next question is understood, too.
    key = world.keys["recommend"]
    with carrying(world, load):
        async with connection(world.port) as (reader, writer):
            for query in QUERIES:
                assert (await asked(reader, writer, question(key, "?k=3", PATIENT)))[0] == 200
                again = await asked(reader, writer, question(key, query, PATIENT))
                async with connection(world.port) as (fresh_reader, fresh_writer):
                    fresh = await asked(fresh_reader, fresh_writer, question(key, query, PATIENT))
                assert told(*again) == told(*fresh), query


async def test_another_head_means_what_it_says(world):
    # Promise (G26): the shortcut never answers for another key, deadline or priority than what was sent.
    key = world.keys["recommend"]
    with carrying(world, SHED):
        async with connection(world.port) as (reader, writer):
            for _ in range(3):
                for ms in (300, 300, 400):
                    _, body = await asked(reader, writer, question(key, "?k=3", f"X-Request-Deadline-Ms: {ms}"))
                    assert body["deadline_ms"] == ms
                for name, status in (("events", 403), ("recommend", 200), ("revoked", 401), ("recommend", 200)):
                    assert (await asked(reader, writer, question(world.keys[name])))[0] == status
    async with connection(world.port) as (reader, writer):
        reasons = []
        with carrying(world, 0.4):
            for priority in ("bulk", "bulk", "interactive", "interactive", "bulk"):
                _, body = await asked(reader, writer, question(key, "?k=3", f"X-Request-Priority: {priority}"))
                reasons.append(body["reason"] == "overloaded")
        assert reasons == [True, True, False, False, True]


async def test_a_revoked_key_ends_for_a_connection_that_knew_it(world):
    # Promise (G26): what was verified once is verified again as soon as keys change.
    token, stored = mint_key(bytes.fromhex(SECRET), "leaving", [Scope.RECOMMEND])
    await create_key(world.pool, stored, actor="test")
    async with connection(world.port) as (reader, writer):

        async def status_is(wanted: int) -> bool:
            with carrying(world, SHED):
                return (await asked(reader, writer, question(token)))[0] == wanted

        await eventually(lambda: status_is(200))
        assert await status_is(200)
        await revoke_key(world.pool, stored.key_id, actor="test")
        await eventually(lambda: status_is(401))


async def test_a_head_that_was_known_still_has_its_limits(world):
    # Promise (G25): the address counts, and half a head is not waited for.
    key = world.keys["recommend"]
    with carrying(world, SHED):
        async with connection(world.port) as (reader, writer):
            for _ in range(2):
                assert (await asked(reader, writer, question(key)))[0] == 200
            long = "?k=3" + "&exclude=mugs-0" * (HEAD_BYTES_MAX // 15)
            assert (await asked(reader, writer, question(key, long)))[0] == 431
            assert await reader.read() == b""
        async with connection(world.port) as (reader, writer):
            for _ in range(2):
                assert (await asked(reader, writer, question(key)))[0] == 200
            writer.write(question(key)[:-2])
            async with asyncio.timeout(KEPT_ALIVE_S - 1):
                assert await reader.read() == b""


async def test_a_question_inside_of_something_else_is_none(world):
    # Promise: bytes that look like the question before are part of what they came in: a header, or a body.
    key = world.keys["recommend"]
    known = question(key)
    posting = POSTED.format(key=key, length=len(known))
    with carrying(world, SHED):
        async with connection(world.port) as (reader, writer):
            for begun, status in ((b"GET /livez HTTP/1.1\r\nX: ", 200), (posting.encode(), 400)):
                assert (await asked(reader, writer, known))[0] == 200
                writer.write(begun)
                await asyncio.sleep(0.05)
                writer.write(known)
                got, _, body = await answer(reader)
                assert (got, b'"items"' in body) == (status, False)


async def test_an_idle_connection_is_closed_and_one_in_use_is_not(world):
    # Promise: questions that skip the parser keep their connection alive, and their end is noticed.
    key = world.keys["recommend"]
    with carrying(world, SHED):
        async with connection(world.port) as (reader, writer), connection(world.port) as (idle, idle_writer):
            await asked(idle, idle_writer, question(key))
            for _ in range(3):
                assert (await asked(reader, writer, question(key)))[0] == 200
                await asyncio.sleep(KEPT_ALIVE_S * 0.4)
            assert await idle.read() == b""
            assert (await asked(reader, writer, question(key)))[0] == 200
            async with asyncio.timeout(KEPT_ALIVE_S * 3):
                assert await reader.read() == b""


@pytest.mark.parametrize("load", [SHED, FULL], ids=["shed", "full"])
async def test_any_cut_of_the_bytes_gives_the_same_answers(world, load):
    # Promise: pieces, or several questions at once, are answered in order, each as itself.
    chance = Random(7)
    key, body = world.keys["recommend"], b'{"k": 6}'
    kinds = {
        3: question(key),
        5: question(key, "?k=5"),
        4: question(key, "?k=4", "X-Request-Priority: prefetch"),
        6: POSTED.format(key=key, length=len(body)).encode() + body,
        7: question(key, "?k=7", "Content-Length: 0"),
        8: question(key, "?k=%38"),
    }
    with carrying(world, load):
        for _ in range(25):
            wanted = chance.choices(list(kinds), weights=(8, 8, 2, 2, 2, 2), k=12)
            wire = b"".join([kinds[k] for k in wanted])
            cuts = sorted({*chance.sample(range(1, len(wire)), chance.randrange(0, 12)), len(wire)})
            async with connection(world.port) as (reader, writer):
                begin = 0
                for end in cuts:
                    writer.write(wire[begin:end])
                    begin = end
                    await asyncio.sleep(chance.choice((0, 0, 0.003)))
                got = [await answer(reader) for _ in wanted]
            assert [status for status, _, _ in got] == [200] * len(wanted)
            assert [len(json.loads(body)["items"]) for _, _, body in got] == wanted


async def test_answers_keep_the_order_of_their_questions(postgres, tmp_path):
    # Promise: a question that comes while another one waits for the model waits, too.
    async def say_nothing(reader, writer):
        await reader.read()
        writer.close()
        ended.set()

    ended = asyncio.Event()
    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    async with silent, open_world(postgres.url, tmp_path, inference_url=address) as world:
        await world.calm()
        key = world.keys["recommend"]
        async with connection(world.port) as (reader, writer):
            assert (await asked(reader, writer, question(key)))[0] == 200
            writer.write(question(key, "?user_id=buyer-1&k=4"))
            await asyncio.sleep(0.05)
            writer.write(question(key, "?k=5"))
            bodies = [json.loads((await answer(reader))[2]) for _ in range(2)]
    assert [len(body["items"]) for body in bodies] == [4, 5]
    assert bodies[0]["reason"] == "deadline_exceeded"
    await ended.wait()


async def test_who_asks_in_masses_waits_when_all_would_be_late(postgres, tmp_path):
    # Promise (G18): the next bulk question is read later, an interactive one at once; none is lost, even at the end.
    async def seconds(reader, writer, sent: bytes) -> float:
        began_s = asyncio.get_running_loop().time()
        for _ in range(6):
            assert (await asked(reader, writer, sent))[0] == 200
        return asyncio.get_running_loop().time() - began_s

    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(postgres.url, tmp_path, gateway_loop_lag_ms_max=0.001))
        async with connection(world.port) as page, connection(world.port) as masses:
            key = world.keys["recommend"]
            bulk = question(key, "?k=3", "X-Request-Priority: bulk")
            assert await seconds(*masses, bulk) > 3 * await seconds(*page, question(key))
            reader, writer = masses
            assert (await asked(reader, writer, bulk))[0] == 200
            writer.write(bulk)
            await asyncio.sleep(0.05)
            stopping = asyncio.create_task(stack.aclose())
            assert (await answer(reader))[0] == 200
            await stopping
