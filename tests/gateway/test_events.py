"""POST /v1/events judges each event by itself and says "accepted" only of what is on disk."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import httpx2
import orjson
import pytest
from fastapi import FastAPI

from evershelf.contracts.keys import Scope, StoredKey
from evershelf.gateway import problems
from evershelf.gateway.history import HistoryCache
from evershelf.gateway.outside import Clock, Outside
from evershelf.gateway.quotas import Quotas
from evershelf.gateway.routes import events
from evershelf.gateway.series import Series
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.spool import Spool
from evershelf.policy.keys import key_digest

SECRET = "5a" * 32
KEYS = {"events": Scope.EVENTS, "recommend": Scope.RECOMMEND}


class FakeTelemetry:
    """Keeps what it is told of events."""

    def __init__(self):
        self.judged = []
        self.refused = []
        self.operation = SimpleNamespace(events_refused=self.refused.append)

    def events_judged(self, status, count):
        self.judged += [status] * count


def bearer(key_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer evs_{key_id}_{'x' * 32}"}


def stored_key(key_id: str, scope: Scope) -> StoredKey:
    digest = key_digest(bytes.fromhex(SECRET), "x" * 32)
    return StoredKey(key_id=key_id, name=key_id, digest=digest, scopes=(scope,), created_at=datetime.now(UTC))


@pytest.fixture
async def parts(tmp_path):
    settings = GatewaySettings(
        key_secret=SECRET,
        gateway_data_dir=tmp_path,
        gateway_spool_events_max=1_000,
        gateway_batch_body_bytes_max=300_000,
    )
    spool = Spool(settings)
    await spool.start()
    yield SimpleNamespace(
        settings=settings,
        outside=Outside(),
        telemetry=FakeTelemetry(),
        mirror=SimpleNamespace(keys={key_id: stored_key(key_id, scope) for key_id, scope in KEYS.items()}),
        snapshots=SimpleNamespace(current=SimpleNamespace(knows=lambda item_id: item_id in {"mug", "cup"})),
        history=HistoryCache(settings, SimpleNamespace(pool=None)),
        spool=spool,
        series=Series(Clock()),
        quotas=Quotas(settings, Clock()),
        erasures=SimpleNamespace(forbids_event=lambda _: False),  # nobody was erased
    )
    await spool.close()


@pytest.fixture
async def client(parts):
    app = FastAPI()
    app.state.parts = parts
    problems.install(app)
    app.include_router(events.router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://gateway", headers=bearer("events")) as client:
        yield client


def raw_event(**changed) -> dict:
    event = {
        "event_id": str(uuid4()),
        "user_id": "ann",
        "item_id": "mug",
        "event_type": "view_item",
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    return event | changed


def at(shift_s: float) -> str:
    return datetime.fromtimestamp(time.time() + shift_s, UTC).isoformat()


async def test_each_event_is_judged_by_itself_in_order(client, parts):
    # A bad event never takes its neighbours with it; the answers stand in the order of the batch.
    first = raw_event()
    batch = [
        first,
        raw_event(item_id="unheard-of"),
        first,
        first | {"item_id": "cup"},
        raw_event(occurred_at=at(3_600)),
        raw_event(occurred_at="0001-01-01T00:00:00Z"),
        raw_event(event_type="sneeze"),
        raw_event(user_id=None),
        "no object",
        raw_event(item_id="cup"),
    ]
    answer = await client.post("/v1/events", json={"events": batch})
    assert answer.status_code == 202
    body = answer.json()
    assert [result["status"] for result in body["results"]] == [
        "accepted", "accepted_unknown_item", "duplicate", "conflict", "rejected_future", "rejected_invalid",
        "rejected_invalid", "rejected_invalid", "rejected_invalid", "accepted",
    ]  # fmt: skip
    assert [result["index"] for result in body["results"]] == list(range(10))
    assert (body["accepted"], body["rejected"]) == (3, 6)
    assert parts.spool.counts().accepted == 3
    assert sorted(parts.telemetry.judged) == sorted(result["status"] for result in body["results"])


async def test_details_say_what_to_mend(client):
    # Whoever gets a rejection reads which field, and nothing of the values.
    answer = await client.post("/v1/events", json={"events": [raw_event(value="tall", whisper="s3cr3t")]})
    [result] = answer.json()["results"]
    assert "value" in result["detail"]
    assert "s3cr3t" not in answer.text


async def test_only_what_is_accepted_becomes_history(client, parts):
    # The next answer knows accepted interactions at once, and nothing of rejected or repeated ones.
    first = raw_event()
    batch = [first, first | {"item_id": "cup"}, raw_event(item_id="cup", occurred_at=at(3_600))]
    await client.post("/v1/events", json={"events": batch})
    await client.post("/v1/events", json={"events": [first]})
    assert [entry.item_id for entry in parts.history.cached("ann", None)] == ["mug"]


@pytest.mark.parametrize(
    ("body", "status", "problem_type"),
    [
        (b"{nonsense", 400, "malformed-json"),
        (b'{"events": [NaN]}', 400, "malformed-json"),
        (b'{"events": ["\\ud800"]}', 400, "malformed-json"),
        (b'{"events": []}', 422, "invalid-request"),
        (b"[]", 422, "invalid-request"),
        (b'{"events": [1], "more": 1}', 422, "invalid-request"),
        (orjson.dumps({"events": [1] * 1_001}), 422, "invalid-request"),
        (b'{"events": ["' + b"x" * 300_000 + b'"]}', 413, "body-too-large"),
        (b"[" * 100_000, 400, "malformed-json"),
    ],
)
async def test_body_that_is_no_batch_is_a_problem(client, parts, body, status, problem_type):
    # Broken JSON, a wrong shape and too large a body are told apart, and nothing is taken.
    answer = await client.post("/v1/events", content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith(problem_type)
    assert parts.spool.counts().accepted == 0


async def test_full_spool_is_an_honest_503(client, parts):
    # What cannot be made durable is refused as a whole, with a time to come back; history learns nothing.
    await client.post("/v1/events", json={"events": [raw_event(user_id="bob") for _ in range(999)]})
    answer = await client.post("/v1/events", json={"events": [raw_event(), raw_event()]})
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("events-not-durable")
    assert int(answer.headers["retry-after"]) > 0
    assert parts.history.cached("ann", None) == ()
    assert parts.spool.counts().accepted == 999
    assert parts.telemetry.refused == [2]


@pytest.mark.parametrize(("headers", "status"), [({"Authorization": ""}, 401), (bearer("recommend"), 403)])
async def test_key_needs_the_scope(client, headers, status):
    # Events are taken only with a key that allows it.
    answer = await client.post("/v1/events", json={"events": [raw_event()]}, headers=headers)
    assert answer.status_code == status


async def test_openapi_tells_body_and_answers(client):
    # The contract can be read by a machine: the batch, its limits, and every answer.
    operation = (await client.get("/openapi.json")).json()["paths"]["/v1/events"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["events"]["maxItems"] == 1_000
    assert schema["properties"]["events"]["items"]["properties"]["event_type"]["enum"]
    assert "$defs" not in str(schema)
    assert {"202", "400", "413", "422", "503"} <= operation["responses"].keys()
