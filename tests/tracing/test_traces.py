"""One trace runs from the caller through gateway, PostgreSQL and inference, and costs nobody an answer."""

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from tests.gateway.gateway_world import PATIENCE_S, eventually, open_world, unused_port, valid
from tests.inference.fake_model import publish_champion
from tests.inference.test_process import Process
from tests.tracing.otlp_receiver import receiving

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
UNSAMPLED = f"00-{TRACE_ID}-00f067aa0ba902b7-00"
ASK = "/v1/recommendations?user_id=buyer-0"
SLOWLY = {"X-Request-Deadline-Ms": "2000"}  # this machine may be busy


def attributes(span) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
async def inference(tmp_path, receiver):
    root = tmp_path / "registry"
    publish_champion(root, "m1", ids=("mugs-0", "mugs-1", "mugs-2", "mugs-3"))
    process = await asyncio.to_thread(Process, root, EVERSHELF_OTLP_URL=receiver.url, EVERSHELF_TRACE_SHARE="0")
    yield process
    await asyncio.to_thread(process.close)


async def test_gateway_postgresql_and_inference_are_joined_in_the_callers_trace(
    postgres, tmp_path, receiver, inference
):
    # Promise: each span's parent is the one that caused it, across processes; the trace id is the caller's.
    address = f"http://127.0.0.1:{inference.port}"
    given = {"otlp_url": receiver.url, "trace_share": 0.0, "inference_url": address}
    async with open_world(postgres.url, tmp_path, **given) as world:
        await world.client.get(ASK.replace("buyer-0", "buyer-6"), headers=SLOWLY | {"traceparent": UNSAMPLED})
        response = await world.client.get(ASK, headers=SLOWLY | {"traceparent": CALLER})
        answer = valid(response)
        assert answer.source == "model"

        async def all_told() -> bool:
            return bool(receiver.named("evershelf-inference", "rank") and len(receiver.spans) >= 4)

        await eventually(all_told)
    (root,) = receiver.named("evershelf-gateway", "recommend")
    (history,) = receiver.named("evershelf-gateway", "history")
    (call,) = receiver.named("evershelf-gateway", "rank")
    (ranked,) = receiver.named("evershelf-inference", "rank")
    assert {span.trace_id.hex() for _, span in receiver.spans} == {TRACE_ID}
    assert root.parent_span_id.hex() == "00f067aa0ba902b7"
    assert history.parent_span_id == call.parent_span_id == root.span_id
    assert ranked.parent_span_id == call.span_id
    assert attributes(history)["db.system.name"] == "postgresql"
    assert attributes(root)["evershelf.recommendation_id"] == str(answer.recommendation_id)
    assert attributes(ranked)["evershelf.outcome"] == "ranked"
    assert response.headers["traceparent"] == f"00-{TRACE_ID}-{root.span_id.hex()}-01"
    assert root.start_time_unix_nano <= history.start_time_unix_nano <= call.start_time_unix_nano
    # Not its end: inference ends its span after the last byte is on its way, when the gateway may have read it.
    assert call.start_time_unix_nano <= ranked.start_time_unix_nano <= call.end_time_unix_nano
    assert b"buyer" not in b"".join(span.SerializeToString() for _, span in receiver.spans)


async def test_a_collector_that_is_away_costs_no_answer_and_holds_up_no_end(postgres, tmp_path):
    # Promise: all answers come while nobody takes spans, and the gateway ends in time.
    gone = f"http://127.0.0.1:{unused_port()}"
    async with open_world(postgres.url, tmp_path, otlp_url=gone, trace_share=1.0, traces_per_s_max=1_000) as world:
        for _ in range(50):
            valid(await world.client.get(ASK, headers=SLOWLY))
        ending_s = time.monotonic()
    assert time.monotonic() - ending_s < PATIENCE_S


async def test_every_answer_says_where_its_time_went_and_a_traced_one_is_in_the_log(postgres, tmp_path, receiver):
    # Promise: `Server-Timing` stands on every answer, traced or not; the log line carries both ids, and no user.
    async with open_world(postgres.url, tmp_path, otlp_url=receiver.url, gateway_answer_log_share=0.0) as world:
        with capture_logs() as lines:
            plain = await world.client.get(ASK, headers=SLOWLY | {"traceparent": UNSAMPLED})
            traced = await world.client.get("/v1/popular", headers={"traceparent": CALLER})
    for response in (plain, traced):
        timing = response.headers["server-timing"].split(", ")
        assert [part.split(";dur=")[0] for part in timing] == ["history", "model", "compose"]
        assert all(float(part.split(";dur=")[1]) >= 0 for part in timing)
    assert "traceparent" not in plain.headers
    (line,) = [line for line in lines if line["event"] == "answered"]
    assert line["trace_id"] == TRACE_ID
    assert line["recommendation_id"] == traced.json()["recommendation_id"]
    assert "buyer" not in str(line)


async def test_callers_cannot_have_more_traced_than_the_limit(postgres, tmp_path, receiver):
    # Promise: a caller who asks for a trace of everything gets a bounded number of them.
    async with open_world(postgres.url, tmp_path, otlp_url=receiver.url, traces_per_s_max=1) as world:
        began_s = time.monotonic()
        answers = [await world.client.get(ASK, headers={"traceparent": CALLER}) for _ in range(30)]
        seconds = time.monotonic() - began_s
    traced = sum("traceparent" in answer.headers for answer in answers)
    assert 1 <= traced <= seconds + 2
