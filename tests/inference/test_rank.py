"""What a caller of the model server sees, against the application itself."""

import asyncio
import json

import httpx2
import pytest

from evershelf.contracts.inference import RankReply
from evershelf.contracts.problems import Problem
from evershelf.inference.app import create_app
from evershelf.inference.settings import InferenceSettings
from tests.inference.fake_model import publish_champion

HEADERS = {"content-type": "application/json"}


def query(*item_ids, k=10, exclude=()):
    history = [{"item_id": item_id, "event_type": "view_item", "age_s": 60.0} for item_id in item_ids]
    return {"history": history, "k": k, "exclude": list(exclude)}


def settings(tmp_path, **changes):
    chosen = {"registry": tmp_path / "registry", "inference_cache_dir": tmp_path / "cache", "inference_poll_s": 0.02}
    return InferenceSettings(**{**chosen, **changes})


# The first process on a machine compiles the ranking kernel, which takes long where others work too.
READY_S_MAX = 90.0
POLL_S = 0.01


class Running:
    """The application between start and end of its life, with a client."""

    def __init__(self, app):
        self._life = app.router.lifespan_context(app)
        self.client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://inference")

    async def __aenter__(self):
        await self._life.__aenter__()
        return self

    async def __aexit__(self, *_):
        await self.client.aclose()
        await self._life.__aexit__(None, None, None)

    async def ready(self):
        for _ in range(int(READY_S_MAX / POLL_S)):
            if (await self.client.get("/readyz")).status_code == 200:
                return self
            await asyncio.sleep(POLL_S)
        raise AssertionError("not ready")

    async def rank(self, *queries, **headers):
        content = json.dumps({"queries": queries})
        return await self.client.post("/v1/rank", content=content, headers=HEADERS | headers)


@pytest.fixture
async def running(tmp_path):
    publish_champion(tmp_path / "registry", "m1")
    async with Running(create_app(settings(tmp_path))) as server:
        yield await server.ready()


def refused(answer, status, problem):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return Problem.model_validate_json(answer.content).type == f"/problems/{problem}"


async def test_histories_are_ranked_in_order_each_with_its_evidence(running):
    answer = await running.rank(query("mug"), query("lamp", "pan"))
    reply = RankReply.model_validate_json(answer.content, strict=True)
    assert reply.model_version == "m1"
    first, second = reply.rankings
    assert [(item.item_id, item.score) for item in first.items] == [("pan", 0.5), ("lamp", 0.25)]
    assert [item.item_id for item in second.items] == ["sofa", "mug"]
    assert second.items[0].evidence[0].item_id == "lamp"
    assert second.items[0].evidence[0].share == 1.0
    assert (second.confident, second.confidence) == (True, 1.0)


async def test_items_the_model_does_not_know_are_passed_over(running):
    reply = RankReply.model_validate_json((await running.rank(query("kite", "mug"))).content)
    assert [item.item_id for item in reply.rankings[0].items] == ["pan", "lamp"]
    assert reply.rankings[0].confidence == 0.5


async def test_an_unknown_or_empty_history_gets_an_empty_unconfident_ranking(running):
    reply = RankReply.model_validate_json((await running.rank(query("kite"), query())).content)
    assert [(ranking.items, ranking.confident) for ranking in reply.rankings] == [((), False), ((), False)]


async def test_no_more_than_k_come_and_none_of_the_excluded(running):
    reply = RankReply.model_validate_json(
        (await running.rank(query("mug", k=1), query("mug", exclude=["pan"]))).content
    )
    assert [[item.item_id for item in ranking.items] for ranking in reply.rankings] == [["pan"], ["lamp"]]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 10_000])
async def test_what_is_not_json_is_a_problem(running, body):
    assert refused(await running.client.post("/v1/rank", content=body), 400, "malformed-json")


@pytest.mark.parametrize(
    "queries",
    [
        [],
        [query("mug")] * 65,
        [query("mug", k=0)],
        [query("mug", k=501)],
        [query(*["mug"] * 201)],
        [query("")],
        [{"history": [{"item_id": "mug", "event_type": "view_item", "age_s": -1}], "k": 1}],
        [{"history": [{"item_id": "mug", "event_type": "stare", "age_s": 1}], "k": 1}],
        [{**query("mug"), "user_id": "u1"}],
    ],
)
async def test_what_breaks_the_contract_is_a_problem(running, queries):
    assert refused(await running.rank(*queries), 422, "invalid-request")


async def test_a_body_that_is_too_large_is_a_problem_announced_or_not(tmp_path):
    publish_champion(tmp_path / "registry", "m1")

    async def trickled():
        for _ in range(40):
            yield b" " * 100

    async with Running(create_app(settings(tmp_path, inference_body_bytes_max=2_000))) as server:
        await server.ready()
        for content in (b" " * 4_000, trickled()):
            answer = await server.client.post("/v1/rank", content=content)
            assert refused(answer, 413, "body-too-large")


async def test_a_compressed_body_is_refused(running):
    assert refused(await running.rank(query("mug"), **{"content-encoding": "gzip"}), 422, "invalid-request")


@pytest.mark.parametrize("budget", ["0", "-5"])
async def test_a_caller_who_no_longer_waits_gets_no_work_done(running, budget):
    answer = await running.rank(query("mug"), **{"X-Request-Deadline-Ms": budget})
    assert refused(answer, 504, "deadline-exceeded")
    assert b"evershelf_inference_queries_total 0.0" in (await running.client.get("/metrics")).content


async def test_a_budget_that_is_no_number_is_a_problem(running):
    answer = await running.rank(query("mug"), **{"X-Request-Deadline-Ms": "soon"})
    assert refused(answer, 422, "invalid-request")


async def test_a_query_whose_asker_is_gone_is_dropped_and_its_neighbours_are_ranked(running):
    # Promise: each query of a request has its own deadline; the answers stay in order.
    answer = await running.rank(query("mug"), query("mug"), query("mug"), **{"X-Query-Budgets-Ms": "2000,0,2000"})
    rankings = RankReply.model_validate_json(answer.content).rankings
    assert [bool(ranking.items) for ranking in rankings] == [True, False, True]
    exposition = (await running.client.get("/metrics")).content
    assert b"evershelf_inference_queries_total 2.0" in exposition
    assert b"evershelf_inference_queries_dropped_total 1.0" in exposition


@pytest.mark.parametrize("budgets", ["100", "100,100,100", "soon,100", ""])
async def test_budgets_that_do_not_fit_the_queries_are_a_problem(running, budgets):
    answer = await running.rank(query("mug"), query("mug"), **{"X-Query-Budgets-Ms": budgets})
    assert refused(answer, 422, "invalid-request")


async def test_evidence_is_left_out_when_the_caller_has_no_time_for_it(running):
    # Promise: the same items and scores, without the reasons.
    full = RankReply.model_validate_json((await running.rank(query("mug"))).content).rankings[0]
    plain = RankReply.model_validate_json((await running.rank(query("mug"), **{"X-Evidence": "none"})).content)
    assert any(item.evidence for item in full.items)
    assert not any(item.evidence for item in plain.rankings[0].items)
    assert [(item.item_id, item.score) for item in plain.rankings[0].items] == [
        (item.item_id, item.score) for item in full.items
    ]


async def test_a_caller_that_hangs_up_ends_the_work(tmp_path):
    # Promise: a long request stops within a slice of its caller's going.
    publish_champion(tmp_path / "registry", "m1")
    app = create_app(settings(tmp_path, inference_slice_ms=0.001))
    sent: list[dict] = []
    body = json.dumps({"queries": [query("mug")] * 64}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    async with Running(app) as server:
        await server.ready()
        scope = {"type": "http", "method": "POST", "path": "/v1/rank", "headers": [], "query_string": b""}
        await app(scope, receive, send)
        exposition = (await server.client.get("/metrics")).text
    assert sent == []
    assert 'evershelf_inference_requests_total{outcome="caller_gone"} 1.0' in exposition
    assert "evershelf_inference_queries_total 64.0" not in exposition


async def test_a_body_that_trickles_past_the_budget_is_given_up(running):
    async def never_ending():
        yield b"{"
        await asyncio.sleep(30)

    posted = running.client.post("/v1/rank", content=never_ending(), headers={"X-Request-Deadline-Ms": "30"})
    assert refused(await asyncio.wait_for(posted, 10), 504, "deadline-exceeded")


async def test_beyond_the_limit_requests_are_refused_at_once_and_the_rest_is_served(tmp_path):
    publish_champion(tmp_path / "registry", "m1")
    limits = settings(tmp_path, inference_concurrency_max=2, inference_slice_ms=0.001)
    async with Running(create_app(limits)) as server:
        await server.ready()
        answers = await asyncio.gather(*(server.rank(*[query("mug")] * 20) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 2 + [503] * 6
    assert all(refused(answer, 503, "overloaded") for answer in answers if answer.status_code == 503)


async def test_without_a_model_it_is_live_but_not_ready(tmp_path):
    async with Running(create_app(settings(tmp_path))) as server:
        assert (await server.client.get("/livez")).status_code == 200
        assert (await server.client.get("/readyz")).json()["ready"] is False
        assert refused(await server.rank(query("mug")), 503, "not-ready")
        assert refused(await server.client.get("/v1/model"), 503, "not-ready")


async def test_it_tells_which_model_serves_and_how_the_registry_is(running):
    model = (await running.client.get("/v1/model")).json()
    assert (model["version"], model["items"], model["metrics"]) == ("m1", 4, {"ndcg_at_20": 0.1})
    registry = (await running.client.get("/dependencies")).json()["dependencies"][0]
    assert (registry["name"], registry["state"]) == ("registry", "up")
    assert (await running.client.get("/readyz")).json()["model_version"] == "m1"


async def test_every_request_is_counted_once_by_its_outcome(running):
    await running.rank(query("mug"))
    await running.rank(query("mug", k=0))
    exposition = (await running.client.get("/metrics")).text
    assert 'evershelf_inference_requests_total{outcome="ranked"} 1.0' in exposition
    assert 'evershelf_inference_requests_total{outcome="invalid"} 1.0' in exposition
    assert "evershelf_inference_request_duration_seconds_count 2.0" in exposition
    assert 'evershelf_inference_model_info{model_version="m1"} 1.0' in exposition
    assert "evershelf_inference_in_flight 0.0" in exposition


async def test_other_paths_and_methods_are_problems(running):
    assert refused(await running.client.get("/v2/rank"), 404, "not-found")
    assert refused(await running.client.get("/v1/rank"), 405, "method-not-allowed")


def test_its_openapi_document_needs_no_registry(tmp_path):
    document = create_app(settings(tmp_path)).openapi()
    operation = document["paths"]["/v1/rank"]["post"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/RankReply")
    assert {"400", "413", "422", "500", "503", "504"} <= set(operation["responses"])
    assert list(tmp_path.iterdir()) == []
