"""Every mistake a caller can make has its one defined answer, on a running gateway with real PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.gateway.gateway_world import PATIENCE_S, eventually, ids, open_world, raw_event, valid

pytestmark = pytest.mark.asyncio(loop_scope="module")
ASK = "/v1/recommendations"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory):
    async with open_world(postgres.url, tmp_path_factory.mktemp("bad-input")) as world:
        yield world


async def assert_problem(world, answer, status: int, slug: str) -> dict:
    """It is a problem of that type, and the type's page answers."""
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    page = await world.client.get(answer.json()["type"])
    assert (page.status_code, page.json()["status"]) == (200, status)
    return answer.json()


BAD_QUESTIONS = {
    "unknown placement": ({"placement": "nowhere"}, 404, "unknown-placement"),
    "placement of another shape": ({"placement": "NO WHERE"}, 422, "invalid-request"),
    "k is 0": ({"k": 0}, 422, "invalid-request"),
    "k is 101": ({"k": 101}, 422, "invalid-request"),
    "k is no number": ({"k": "many"}, 422, "invalid-request"),
    "unknown parameter": ({"colour": "red"}, 422, "invalid-request"),
    "NUL in the user": ({"user_id": "a\x00b"}, 422, "invalid-request"),
    "control character in the session": ({"session_id": "a\x1bb"}, 422, "invalid-request"),
    "line break in a context item": ({"context_items": ["a\nb"]}, 422, "invalid-request"),
    "empty user": ({"user_id": ""}, 422, "invalid-request"),
    "user of 129 characters": ({"user_id": "u" * 129}, 422, "invalid-request"),
    "51 context items": ({"context_items": [f"i{n}" for n in range(51)]}, 422, "invalid-request"),
    "category of control characters": ({"category": "\x01"}, 422, "invalid-request"),
}


@pytest.mark.parametrize(("question", "status", "slug"), BAD_QUESTIONS.values(), ids=BAD_QUESTIONS)
async def test_a_bad_question_is_a_problem_both_ways(world, question, status, slug):
    # Promise: GET and POST refuse the same, say which field, and repeat nothing that was sent.
    for answer in (await world.client.get(ASK, params=question), await world.client.post(ASK, json=question)):
        problem = await assert_problem(world, answer, status, slug)
        if slug == "invalid-request":
            assert problem["invalid_parameters"][0]["name"].split(".")[0] in question


BAD_BODIES = {
    "malformed": (b'{"k": ', 400, "malformed-json"),
    "no text": (b"\xff\xfe\x00", 400, "malformed-json"),
    "deep": (b"[" * 30_000, 400, "malformed-json"),
    "a list": (b"[]", 422, "invalid-request"),
    "half a surrogate pair": (b'{"user_id": "\\ud800"}', 422, "invalid-request"),
    "NaN": (b'{"k": NaN}', 422, "invalid-request"),
    "endless number": (b'{"k": 1e999}', 422, "invalid-request"),
    "10 MB": (b'{"user_id": "' + b"u" * 10_000_000 + b'"}', 413, "body-too-large"),
}


@pytest.mark.parametrize("path", [ASK, "/v1/events"])
@pytest.mark.parametrize(("body", "status", "slug"), BAD_BODIES.values(), ids=BAD_BODIES)
async def test_a_bad_body_is_a_problem(world, path, body, status, slug):
    # Promise: what cannot be read is told apart from what is not allowed; events are stricter about what is JSON.
    answer = await world.client.post(path, content=body, headers={"Content-Type": "application/json"})
    if path == "/v1/events" and slug == "invalid-request" and body != b"[]":
        status, slug = 400, "malformed-json"
    await assert_problem(world, answer, status, slug)


@pytest.mark.parametrize("path", [ASK, "/v1/events", "/v1/items/bulk"])
async def test_an_endless_body_is_cut_off(world, path):
    # Promise: a body without end or announced length gets 413 early, and its connection is closed soon after.
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.keys['admin']}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

    async def pour() -> None:
        while True:
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
            await writer.drain()

    pouring = asyncio.create_task(pour())
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert (await reader.readline()).startswith(b"HTTP/1.1 413")
            await asyncio.wait({pouring})
            assert isinstance(pouring.exception(), OSError)
    finally:
        pouring.cancel()
        writer.close()
        await asyncio.gather(pouring, writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize(
    ("key", "status", "slug"),
    [
        ("", 401, "missing-key"),
        ("unknown", 401, "wrong-key"),
        ("revoked", 401, "wrong-key"),
        ("none", 403, "missing-scope"),
    ],
)
async def test_a_key_that_does_not_open(world, key, status, slug):
    # Promise: no, a wrong, a revoked key and one without the scope are refused on every path under /v1.
    plain = world.keys.get(key, f"evs_abc_{'x' * 43}")
    headers = {"Authorization": f"Bearer {plain}" if key else ""}
    for path in (ASK, "/v1/popular", "/v1/items/mugs-0/related", "/v1/items", "/v1/users/ann", "/v1/placements"):
        await assert_problem(world, await world.client.get(path, headers=headers), status, slug)
    answer = await world.client.post("/v1/events", json={"events": [raw_event()]}, headers=headers)
    await assert_problem(world, answer, status, slug)


async def test_a_key_revoked_now_is_refused_soon(world):
    # Promise: a revocation takes effect without a restart.
    headers = world.bearer("events")
    key_id = world.keys["events"].split("_")[1]
    assert (await world.client.post("/v1/events", json={"events": [raw_event()]}, headers=headers)).status_code == 202
    await world.pool.execute("UPDATE api_keys SET revoked_at = now() WHERE key_id = $1", key_id)

    async def refused() -> bool:
        answer = await world.client.post("/v1/events", json={"events": [raw_event()]}, headers=headers)
        return answer.status_code == 401

    await eventually(refused)


async def test_an_unknown_user_gets_a_full_cold_start_list(world):
    # Promise: nobody is a stranger to the shelf.
    answer = await world.ask(user_id=f"nobody-{uuid4()}", k=12)
    assert len(answer.items) == 12
    assert (answer.reason, answer.degraded, answer.source) == ("no_history", False, "popular")


async def test_a_category_that_does_not_exist_is_empty_and_says_so(world):
    # Promise: a filter is never loosened in silence; where nothing fits, the list is empty and the reason true.
    for answer in (await world.ask(category="no/such"), valid(await world.client.get("/v1/popular?category=no/such"))):
        assert (answer.items, answer.reason) == ([], "empty_catalog")


@pytest.mark.parametrize("name", ["X-Request-Deadline-Ms", "grpc-timeout", "x-envoy-expected-rq-timeout-ms"])
@pytest.mark.parametrize("value", ["-1", "0", "999999999", "9" * 500, "1e9", "NaN", "soon", "", "99999999H", "\u00b2"])
async def test_an_absurd_deadline_still_gets_an_answer(world, name, value):
    # Promise: a deadline that cannot be meant is clamped to 20..2000 ms or left aside; it never costs the answer.
    answer = valid(await world.client.get(ASK, headers={name: value.encode("latin-1")}))
    assert 20 <= answer.deadline_ms <= 2_000
    assert len(answer.items) == 10


@pytest.mark.parametrize("path", ["/v1/popular", "/v1/items/mugs-0/related", "/v1/items"])
@pytest.mark.parametrize(
    "query", ["k=0", "k=101", "k=x", "category=%00", "category=" + "c" * 201, "after=%00", "limit=0"]
)
async def test_other_lists_never_break_on_a_bad_query(world, path, query):
    # Promise: a parameter is refused or has no meaning there; it is never a bug of ours.
    answer = await world.client.get(f"{path}?{query}")
    assert answer.status_code in {200, 422}, answer.text
    if answer.status_code == 422:
        await assert_problem(world, answer, 422, "invalid-request")


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/v1/items/unheard-of/related", 404, "unknown-item"),
        ("GET", "/v1/items/unheard-of", 404, "unknown-item"),
        ("GET", "/v1/users/unheard-of", 404, "unknown-user"),
        ("GET", "/v1/items/a%00b/related", 422, "invalid-request"),
        ("GET", "/v1/users/a%01b", 422, "invalid-request"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("DELETE", "/v1/events", 405, "method-not-allowed"),
        ("GET", "/problems/unheard-of", 404, "not-found"),
    ],
)
async def test_what_is_not_there_is_a_problem(world, method, path, status, slug):
    # Promise: an address that leads nowhere says which kind of nothing it is.
    await assert_problem(world, await world.client.request(method, path), status, slug)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
@pytest.mark.parametrize("field", ["title", "attributes"])
async def test_text_that_no_database_keeps_is_refused(world, text, field):
    # Promise: NUL and halves of surrogate pairs are the caller's mistake, told as such.
    escaped = text.encode("unicode_escape").decode().replace("\\x00", "\\u0000")
    value = f'"{escaped}"' if field == "title" else f'{{"note": "{escaped}"}}'
    body = f'{{"item_id": "odd", "{field}": {value}}}'.encode()
    answer = await world.client.put("/v1/items/odd", content=body, headers={"Content-Type": "application/json"})
    await assert_problem(world, answer, 422, "invalid-request")


async def test_a_bad_event_takes_no_neighbour_with_it_and_nothing_accepted_is_lost(world):
    # Promise: each event has its own result, and every accepted one stands in PostgreSQL soon after.
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    good, unknown = raw_event(user_id="eve"), raw_event(user_id="eve", item_id="unheard-of")
    bad = [raw_event(occurred_at=soon), raw_event(user_id="a\x00b"), raw_event(item_id="a\nb"), raw_event(value="x"), 7]
    answer = await world.client.post("/v1/events", json={"events": [good, *bad, unknown, good]})
    assert answer.status_code == 202
    statuses = [result["status"] for result in answer.json()["results"]]
    refused = ["rejected_future", *["rejected_invalid"] * 4]
    assert statuses == ["accepted", *refused, "accepted_unknown_item", "duplicate"]

    async def stored() -> bool:
        return await world.pool.fetchval("SELECT count(*) FROM events WHERE user_id = 'eve'") == 2

    await eventually(stored)
    assert world.parts.spool.counts().dead == 0
    assert ids(await world.ask(user_id="eve"))


@pytest.mark.parametrize("kind", ["items", "users"])
async def test_one_poisoned_entry_of_a_bulk_takes_no_neighbour_with_it(world, kind):
    # Promise: what no database keeps is refused entry by entry, and the rest is stored.
    name = f"{kind[:-1]}_id"
    poisons = ['"a\\u0000b"', '{"\\u0000": 1}', "[[1e999]]", "NaN", '"\\ud800"']
    poisoned = [f'{{"{name}": "p", "attributes": {{"note": {poison}}}}}' for poison in poisons]
    entries = [f'{{"{name}": "first"}}', *poisoned, f'{{"{name}": ""}}', "7", f'{{"{name}": "last"}}']
    body = f'{{"entries": [{", ".join(entries)}]}}'.encode()
    answer = await world.client.post(f"/v1/{kind}/bulk", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["taken"] == 2
    assert [each["index"] for each in answer.json()["rejected"]] == list(range(1, len(entries) - 1))
    for stored in ("first", "last"):
        assert (await world.client.get(f"/v1/{kind}/{stored}")).status_code == 200
