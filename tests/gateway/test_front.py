"""The front and FastAPI are one API: whatever is asked, both give the same status, the same body, the same headers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evershelf.contracts.recommendations import TROUBLE, Reason
from evershelf.gateway.app import create_app
from evershelf.gateway.front import REPORT_PATH, Front
from evershelf.gateway.question import ASK_PATH
from tests.gateway.gateway_world import CATEGORIES, make_keys, raw_event, shop

# What no two answers have in common, and what the model branch makes of a busy machine.
OWN = {"recommendation_id", "elapsed_ms", "age_s", "degraded"}
UNSURE = {*TROUBLE, Reason.NO_HISTORY}
COMPARED = {"content-type", "cache-control", "www-authenticate", "content-security-policy", "connection", "retry-after"}
T = TypeVar("T")
SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
QUESTIONS_ASKED, BATCHES_SENT = 1_500, 500


@dataclass
class Both:
    """A running gateway, asked through its front and behind it."""

    run: Callable[[Awaitable[T]], T]
    app: object
    keys: dict[str, str]

    def ask(self, method: str, path: str, *, query: bytes, headers: dict[str, str], body: bytes):
        """The answer of the front: status, headers, body."""
        return self.run(self._ask(self.app.middleware_stack, method, path, query, headers, body))

    def ask_behind(self, method: str, path: str, *, query: bytes, headers: dict[str, str], body: bytes):
        """The answer of FastAPI."""
        return self.run(self._ask(self.app.middleware_stack._behind, method, path, query, headers, body))

    async def _ask(self, application, method, path, query, headers, body):
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
                 "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": query, "headers": raw,
                 "app": self.app, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {}}  # fmt: skip
        sent, told = [{"type": "http.request", "body": body, "more_body": False}], []

        async def receive():
            return sent.pop() if sent else {"type": "http.disconnect"}

        async def send(message):
            told.append(message)

        await application(scope, receive, send)
        content = b"".join(message.get("body", b"") for message in told[1:])
        found = {name.decode(): value.decode("latin-1") for name, value in told[0]["headers"]}
        assert int(found["content-length"]) == len(content)
        return told[0]["status"], {name: found.get(name) for name in COMPARED}, json.loads(content)


@pytest.fixture(scope="module")
def both(postgres, tmp_path_factory) -> Iterator[Both]:
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()

    def run(work: Awaitable[T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    stack = AsyncExitStack()
    try:
        settings, pool = run(stack.enter_async_context(shop(postgres.url, tmp_path_factory.mktemp("front"))))
        keys, app = run(make_keys(pool)), create_app(settings)
        run(stack.enter_async_context(app.router.lifespan_context(app)))
        yield Both(run, app, keys)
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


NAMES = st.sampled_from(["ann", "buyer-1", "mugs-0", "pots-1", "\u00e9t\u00e9", "a b", "x" * 128])
ODD = st.sampled_from(["", " ", "a\nb", "x" * 129, "\x00", "\ud83d", "%", "&", "=", "+", "\u00a0"]) | st.text(
    max_size=9
)
IDS = NAMES | ODD
KS = st.sampled_from([None, 1, 7, 100, 0, 101, -1, "5", "5.0", 5.0, 5.5, True, "many", "", " 3 ", "1_0", float("nan")])
PLACEMENTS = st.sampled_from(["home", "item-page", "popular", "nowhere", "NO WHERE", "", None, 3])
CATEGORY = st.sampled_from([*CATEGORIES, "home", "no/such", None, 7]) | ODD
LISTS = st.lists(IDS, max_size=4) | st.sampled_from([None, "mugs-0", {}, ["i"] * 51, [["a"]], [None], 5])
QUESTIONS = st.fixed_dictionaries(
    {},
    optional={
        "placement": PLACEMENTS, "user_id": IDS, "session_id": IDS, "context_items": LISTS, "category": CATEGORY,
        "k": KS, "exclude": LISTS, "colour": IDS,
    },
)  # fmt: skip
TOKENS = st.sampled_from(["recommend"] * 8 + ["admin", "events", "none", "revoked", "nonsense", ""])
SCHEMES = st.sampled_from(["Bearer "] * 12 + ["bearer  ", "BEARER ", "Basic ", "", "Bearer", "Bearer x "])
TYPES = st.sampled_from(
    ["application/json"] * 8 + ["application/json; charset=utf-8", "Application/JSON", "text/plain", "", None]
)
DEADLINES = st.dictionaries(
    st.sampled_from(["x-request-deadline-ms", "grpc-timeout", "x-envoy-expected-rq-timeout-ms"]),
    st.sampled_from(["500", "1S", "900m", "-1", "", "soon", "99999"]),
    max_size=2,
)


def headers_for(both: Both, token: str, scheme: str, more: dict[str, str], content_type: str | None) -> dict[str, str]:
    told = dict(more) if content_type is None else {"content-type": content_type, **more}
    plain = both.keys.get(token, token)
    return {"authorization": scheme + plain, **told} if scheme + plain else told


def alike(value: object) -> object:
    """The body without what is no two answers' own."""
    if isinstance(value, dict):
        return {name: alike(each) for name, each in value.items() if name not in OWN}
    if isinstance(value, list | tuple):
        return [alike(each) for each in value]
    return "unsure" if isinstance(value, str) and value in UNSURE else value


def query_of(question: dict[str, object], safe: str) -> bytes:
    pairs = [
        (name, str(each))
        for name, value in question.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    return "&".join(
        f"{name}={quote(value.encode('utf-8', 'surrogatepass'), safe=safe)}" for name, value in pairs
    ).encode()


@settings(SETTINGS, max_examples=QUESTIONS_ASKED)
@given(
    question=QUESTIONS, safe=st.sampled_from(["", "/", "&=%+ "]),
    tail=st.sampled_from([b"", b"&", b"&k=4&k=5", b"&=1"]),
    token=TOKENS, scheme=SCHEMES, more=DEADLINES,
)  # fmt: skip
def test_a_question_in_the_address_is_answered_alike(both, question, safe, tail, token, scheme, more):
    # Promise: for any query string, key and deadline, valid or not, front and FastAPI give the same answer.
    told = headers_for(both, token, scheme, more, None)
    query = query_of(question, safe) + tail
    got = [ask("GET", ASK_PATH, query=query, headers=told, body=b"") for ask in (both.ask, both.ask_behind)]
    assert alike(got[0]) == alike(got[1])


@settings(SETTINGS, max_examples=QUESTIONS_ASKED)
@given(
    question=QUESTIONS | st.sampled_from([[], None, 7, "home", {"k": 1e400}]),
    cut=st.sampled_from([None] * 9 + [-1, 3]),
    token=TOKENS, scheme=SCHEMES, more=DEADLINES, content_type=TYPES,
    encoding=st.sampled_from(["utf-8"] * 5 + ["utf-16", "utf-8-sig"]), escaped=st.booleans(),
)  # fmt: skip
def test_a_question_in_the_body_is_answered_alike(
    both, question, cut, token, scheme, more, content_type, encoding, escaped
):
    # Promise: for any body, whole or broken, of any type and encoding, front and FastAPI give the same answer. (Only
    # that FastAPI reads a body before it looks at the key, which the front never does.)
    text = json.dumps(question, ensure_ascii=escaped)[:cut]
    body = text.encode(encoding, "surrogatepass")
    told = headers_for(both, token, scheme, more, content_type)
    got = [ask("POST", ASK_PATH, query=b"", headers=told, body=body) for ask in (both.ask, both.ask_behind)]
    assert alike(got[0]) == alike(got[1]) or (got[0][0] in {401, 403} and got[1][0] == 400)


EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "user_id": IDS, "session_id": IDS, "item_id": IDS, "event_type": st.sampled_from(["purchase", "dance", 3]),
        "occurred_at": st.sampled_from(["2026-01-01T00:00:00Z", "1969-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "now"]),
        "value": KS, "placement": PLACEMENTS, "event_id": st.sampled_from(["one", 7, None]), "mood": IDS,
    },
)  # fmt: skip


@settings(SETTINGS, max_examples=BATCHES_SENT)
@given(
    events=st.lists(EVENTS | st.just(7), max_size=4), wrap=st.sampled_from(["events"] * 9 + ["event", None]),
    cut=st.sampled_from([None] * 9 + [-1]), token=TOKENS, scheme=SCHEMES,
    more=st.sampled_from([{}] * 9 + [{"content-encoding": "gzip"}, {"content-encoding": "identity"}]),
)  # fmt: skip
def test_events_are_taken_alike(both, events, wrap, cut, token, scheme, more):
    # Promise: for any batch, front and FastAPI judge each event alike.
    token = "events" if token == "recommend" else token
    told = headers_for(both, token, scheme, more, "application/json")
    got = []
    for ask in (both.ask, both.ask_behind):
        batch = [raw_event(event_id=str(uuid4())) | each if isinstance(each, dict) else each for each in events]
        body = json.dumps({wrap: batch} if wrap else batch)[:cut].encode()
        status, found, content = ask("POST", REPORT_PATH, query=b"", headers=told, body=body)
        for result in content.get("results", []):
            result["event_id"] = result["event_id"] and len(result["event_id"])
        got.append((status, found, content))
    assert alike(got[0]) == alike(got[1])


def test_valid_requests_never_reach_fastapi(both):
    # Promise: the comparison above compares two things: what is valid is answered by the front itself.
    def unreachable(*_: object):
        raise AssertionError("handed on")

    whole = both.app.middleware_stack
    lonely = Front(unreachable, both.app.state.parts.settings)
    both.app.middleware_stack = lonely
    bearer = {"authorization": f"Bearer {both.keys['admin']}", "content-type": "application/json"}
    try:
        for method, path, query, body in (
            ("GET", ASK_PATH, b"user_id=ann&k=3&context_items=mugs-0&context_items=mugs-1", b""),
            ("POST", ASK_PATH, b"", b'{"user_id": "ann"}'),
            ("POST", REPORT_PATH, b"", json.dumps({"events": [raw_event()]}).encode()),
        ):
            assert both.ask(method, path, query=query, headers=bearer, body=body)[0] in {200, 202}
    finally:
        both.app.middleware_stack = whole
