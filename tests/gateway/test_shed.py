"""Under more load than can be carried, answers cost next to nothing, and keep every promise that they can keep."""

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.gateway.gateway_world import PATIENCE_S, SHELF_SIZE, eventually, ids, open_world, valid

pytestmark = pytest.mark.asyncio(loop_scope="module")
ASK = "/v1/recommendations"
LIMIT = 100


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shed")
    async with open_world(postgres.url, folder, gateway_answers_in_hand_max=LIMIT) as world:
        yield world


@contextmanager
def carrying(world, share: float):
    """The gateway has this share of its limit in hand."""
    world.parts.admission.in_hand += int(share * LIMIT)
    try:
        yield
    finally:
        world.parts.admission.in_hand -= int(share * LIMIT)


async def admissions(world, priority: str, service: str) -> float:
    name = f'evershelf_admissions_total{{priority="{priority}",service="{service}"}}'
    lines = (await world.client.get("/metrics")).text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.mark.parametrize("k", [1, 10, 100])
async def test_a_shed_answer_is_a_valid_one_and_says_what_it_is(world, k):
    # Promise (G4, G5): min(k, eligible) items, a new id each time, `overloaded`, degraded, the right counts.
    before = await admissions(world, "interactive", "shed")
    with carrying(world, 1):
        for path in (f"{ASK}?k={k}", f"{ASK}?user_id=nobody&placement=home&k={k}"):
            answers = [valid(await world.client.get(path)) for _ in range(2)]
            assert [len(answer.items) for answer in answers] == [min(k, SHELF_SIZE)] * 2
            assert {(answer.reason, answer.degraded, answer.model_version) for answer in answers} == {
                ("overloaded", True, None)
            }
            assert len({answer.recommendation_id for answer in answers}) == 2
            assert sum(attempt.items for attempt in answers[0].attempts) == len(answers[0].items)
            assert answers[0].snapshot.version == world.parts.snapshots.current.version
    assert await admissions(world, "interactive", "shed") == before + 4


async def test_the_quick_lane_and_the_usual_way_answer_alike(world):
    # Promise: before ASGI or behind it, the same list and the same headers.
    with carrying(world, 1):
        quick = await world.client.get(f"{ASK}?k=5&placement=home", headers={"X-Request-Deadline-Ms": "400"})
        usual = await world.client.get(f"{ASK}?k=%35&placement=home", headers={"X-Request-Deadline-Ms": "400"})
        posted = await world.client.post(ASK, json={"k": 5}, headers={"X-Request-Deadline-Ms": "400"})
    answers = [valid(response) for response in (quick, usual, posted)]
    assert answers[0].items == answers[1].items == answers[2].items
    assert {answer.deadline_ms for answer in answers} == {400}
    assert dict(quick.headers) | {"content-length": ""} == dict(usual.headers) | {"content-length": ""}


@pytest.mark.parametrize("question", ["?k=0", "?k=101", "?k=x", "?user_id=", f"?user_id={'u' * 129}", "?colour=red"])
async def test_an_invalid_question_is_refused_under_load_too(world, question):
    # Promise: the quick lane takes nothing that the usual way would refuse.
    with carrying(world, 1):
        assert (await world.client.get(ASK + question)).status_code == 422


async def test_keys_and_placements_count_under_load_too(world):
    # Promise (G26): no load opens the door.
    with carrying(world, 1):
        for name, status in (("none", 403), ("events", 403), ("revoked", 401), ("recommend", 200)):
            assert (await world.client.get(ASK, headers=world.bearer(name))).status_code == status
        assert (await world.client.get(ASK, headers={"Authorization": ""})).status_code == 401
        unknown = await world.client.get(f"{ASK}?placement=nowhere")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/unknown-placement")


async def test_what_must_not_be_shown_is_not(world):
    # Promise (G4): what the request excludes or has on its page, what lies outside of its category, and what memory
    # knows this user to own, stays away.
    user = f"user-{uuid4()}"
    await world.see(user, "mugs-0", "purchase")
    await world.see(user, "mugs-1")
    with carrying(world, 1):
        shown = ids(await world.ask(user_id=user, k=100, exclude=["pots-0"], context_items=["pots-1"]))
        assert set(shown).isdisjoint({"mugs-0", "pots-0", "pots-1"})
        assert len(shown) == SHELF_SIZE - 3
        quick = ids(valid(await world.client.get(f"{ASK}?user_id={user}&k=100")))
        assert ("mugs-0" in quick, "mugs-1" in quick) == (False, True)
        crime = await world.ask(category="books/crime", k=100)
        assert all(item_id.startswith("crime-") for item_id in ids(crime))
        assert len(crime.items) == 6
        empty = await world.ask(category="no/such")
        assert (empty.items, empty.reason) == ([], "empty_catalog")


async def test_a_suppressed_item_leaves_the_bytes_that_were_made_before(world):
    # Promise (G7): made bytes are forgotten with the shelf that they were made from.
    async def shown() -> bool:
        with carrying(world, 1):
            return "tools-0" in ids(valid(await world.client.get(f"{ASK}?k=100")))

    async def gone() -> bool:
        return not await shown()

    assert await shown()
    assert (await world.client.post("/v1/items/tools-0/suppress")).status_code == 204
    await eventually(gone)
    assert (await world.client.post("/v1/items/tools-0/unsuppress")).status_code == 204
    await eventually(shown)


async def test_an_item_leaves_the_bytes_when_it_expires(world):
    # Promise (G4): made bytes are used no longer than all items on them may be shown.
    ends = datetime.now(UTC) + timedelta(seconds=1.5)
    item = {"item_id": "flash", "title": "Flash", "categories": ["flash"], "expires_at": ends.isoformat()}
    assert (await world.client.put("/v1/items/flash", json=item)).status_code == 200

    async def on_shelf() -> bool:
        return world.parts.snapshots.current.knows("flash")

    async def gone() -> bool:
        with carrying(world, 1):
            return (await world.ask(category="flash")).items == []

    await eventually(on_shelf)
    await eventually(gone)
    assert datetime.now(UTC) >= ends


@pytest.mark.parametrize(
    ("share", "bulk", "prefetch", "interactive"),
    [(0.1, "full", "full", "full"), (0.32, "shed", "full", "full"), (0.6, "shed", "shed", "full"),
     (0.8, "shed", "shed", "full"), (1, "shed", "shed", "shed")],
)  # fmt: skip
async def test_each_priority_gets_its_service(world, share, bulk, prefetch, interactive):
    # Promise (G18): the header decides who loses first.
    for priority, wanted in (("bulk", bulk), ("prefetch", prefetch), ("interactive", interactive)):
        before = await admissions(world, priority, wanted)
        with carrying(world, share):
            answer = valid(await world.client.get(ASK, headers={"X-Request-Priority": priority}))
        assert await admissions(world, priority, wanted) == before + 1
        assert (answer.reason == "overloaded") == (wanted != "full")


@pytest.mark.parametrize("share", [0, 1])
async def test_answers_keep_the_order_of_questions_on_one_connection(world, share):
    # Promise: shed or not, pipelined questions are answered in their order, and the connection stays usable.
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.keys['admin']}\r\n"
    requests = [f"GET {ASK}?k={k} {head}\r\n" for k in (1, 2)] + [f"GET /livez {head}\r\n", f"GET {ASK}?k=3 {head}\r\n"]
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    try:
        with carrying(world, share):
            for sent in ("".join(requests), "".join(requests)):
                writer.write(sent.encode())
                async with asyncio.timeout(PATIENCE_S):
                    bodies = [await body_of(reader) for _ in requests]
                assert [body.count(b'"rank"') for body in bodies] == [1, 2, 0, 3]
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("share", [0, 1])
async def test_a_question_with_a_body_nobody_reads_leaves_the_connection_whole(world, share):
    # Promise: a GET may carry a body; what follows it is understood.
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.keys['admin']}\r\n"
    sent = f"GET {ASK}?k=1 {head}Content-Length: 5\r\n\r\nabcdeGET {ASK}?k=2 {head}Connection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    try:
        with carrying(world, share):
            writer.write(sent.encode())
            async with asyncio.timeout(PATIENCE_S):
                assert [(await body_of(reader)).count(b'"rank"') for _ in range(2)] == [1, 2]
                assert await reader.read() == b""
    finally:
        writer.close()
        await writer.wait_closed()


async def body_of(reader: asyncio.StreamReader) -> bytes:
    """The next answer's body."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    return await reader.readexactly(int(length.partition(b":")[2]))
