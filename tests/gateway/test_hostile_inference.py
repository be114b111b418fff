"""Whatever inference sends, every request gets a valid, full, truly explained list in its time."""

import pytest
import pytest_asyncio

from evershelf.contracts.recommendations import TROUBLE
from tests.gateway.gateway_world import eventually, ids, open_world, valid
from tests.gateway.hostile_inference import (
    closing,
    gzipped,
    hostile_inference,
    http,
    ranked,
    raw,
    reply,
    silent,
    trickling,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
DEADLINE_MS = 2_000
SHORT_DEADLINE_MS = 600  # for what lasts until the deadline
SEEN = {"item_id": "mugs-0", "share": 1.0}
GOOD = http(reply(ranked("verse-5", 2.0, (SEEN,)), ranked("pots-5", 1.0)))
HUGE = b'{"model_version":"m1","rankings":[' + b'{"item_id":"mugs-1","score":1.0,"evidence":[]},' * 1_000_000 + b"]}"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def inference():
    async with hostile_inference(GOOD) as inference:
        yield inference


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(postgres, tmp_path_factory, inference):
    folder, url = tmp_path_factory.mktemp("hostile"), f"http://127.0.0.1:{inference.port}"
    async with open_world(postgres.url, folder, inference_url=url) as world:
        await world.see("ann", "mugs-0")
        yield world


async def ask(world, deadline_ms=DEADLINE_MS):
    """Ann's list; it must be valid, full and sent in less than the time that a broken inference would take."""
    await world.calm()
    headers = {"X-Request-Deadline-Ms": str(deadline_ms)}
    answer = valid(await world.client.get("/v1/recommendations?user_id=ann&k=10", headers=headers))
    assert len(answer.items) == 10
    assert answer.elapsed_ms < 2 * deadline_ms
    assert answer.degraded == any(attempt.outcome in TROUBLE for attempt in answer.attempts)
    return answer


HOSTILE = {
    "no HTTP at all": (raw(b"\x00\xff\x13garbage\r\n\r\n"), "inference_invalid"),
    "a header without end": (raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), "inference_invalid"),
    "no JSON": (http(b"garbage"), "inference_invalid"),
    "no text": (http(b"\xff\xfe\x00\xd8"), "inference_invalid"),
    "no body": (http(b""), "inference_invalid"),
    "deep JSON": (http(b"[" * 200_000), "inference_invalid"),
    "NaN": (http(reply(ranked("mugs-1", 7)).replace(b"7", b"NaN")), "inference_invalid"),
    "infinity": (http(reply(ranked("mugs-1", 7)).replace(b"7", b"1e999")), "inference_invalid"),
    "twice the same item": (http(reply(ranked("mugs-1"), ranked("mugs-1"))), "inference_invalid"),
    "rising scores": (http(reply(ranked("mugs-1", 1.0), ranked("mugs-2", 2.0))), "inference_invalid"),
    "a score in words": (http(reply(ranked("mugs-1", "1.0"))), "inference_invalid"),
    "an id that is a number": (http(reply({"item_id": 7, "score": 1.0, "evidence": []})), "inference_invalid"),
    "an id of any length": (http(reply(ranked("m" * 129))), "inference_invalid"),
    "items as an object": (http(reply(items={"a": 1})), "inference_invalid"),
    "a share above one": (http(reply(ranked("mugs-1", 1.0, (SEEN | {"share": 2.0},)))), "inference_invalid"),
    "evidence never told": (http(reply(ranked("mugs-1", 1.0, (SEEN | {"item_id": "tin"},)))), "inference_invalid"),
    "unknown fields": (http(reply(ranked("mugs-1"), extra=1)), "inference_invalid"),
    "no ranking": (http(reply(rankings=[])), "inference_invalid"),
    "a version of any length": (http(reply(ranked("mugs-1"), model_version="v" * 129)), "inference_invalid"),
    "a million items": (http(HUGE), "inference_invalid"),
    "a bomb": (gzipped(b" " * 50_000_000), "inference_invalid"),
    "sound but compressed": (gzipped(reply(ranked("mugs-1"))), "inference_invalid"),
    "a body cut short": (http(reply(ranked("mugs-1")), length=5_000), "inference_invalid"),
    "foreign items": (http(reply(ranked("tin"), ranked("../etc", 0.5))), "empty_model_answer"),
    "nothing": (http(reply()), "empty_model_answer"),
    "no confidence": (http(reply(ranked("mugs-1"), confident=False)), "low_confidence"),
    "500": (http(b"{}", "500 Oops"), "inference_error"),
    "500 with a sound body": (http(reply(ranked("mugs-1")), "500 Oops"), "inference_error"),
    "503": (http(b"", "503 Away"), "inference_error"),
    "429": (http(b"", "429 Slower", "Retry-After: 999999"), "inference_error"),
    "a way elsewhere": (http(b"", "307 There", "Location: /elsewhere"), "inference_error"),
    "no model yet": (http(b'{"type":"/problems/not-ready"}', "503 Wait"), "no_model"),
    "silence": (silent, "deadline_exceeded"),
    "a trickle": (trickling(reply(ranked("mugs-1"))), "deadline_exceeded"),
    "an early goodbye": (closing, "inference_unavailable"),
}


@pytest.mark.parametrize(("play", "reason"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_answer_costs_nothing_but_itself(world, inference, play, reason):
    # Promise: the list comes from the baseline and says why; the next good answers are served as if nothing had been.
    inference.play = play
    answer = await ask(world, SHORT_DEADLINE_MS if reason == "deadline_exceeded" else DEADLINE_MS)
    assert answer.reason == reason
    assert answer.model_version is None
    assert all(place.source != "model" for place in answer.items)
    inference.play = GOOD
    for _ in range(4):  # four, so that the breaker, which this test is not about, stays closed
        assert ids(await ask(world))[:2] == ["verse-5", "pots-5"]
    assert set(inference.paths) == {"/v1/rank"}


@pytest.mark.parametrize("scores", [(1e308, -1e308), (5e-324, 0.0), (-1.0, -2.0), (0.0, -0.0)])
async def test_extreme_but_finite_scores_are_brought_to_scale(world, inference, scores):
    # Promise: a finite score of any size is an answer, shown in 0..1 and never rising (checked in `valid`).
    inference.play = http(reply(ranked("verse-5", scores[0], (SEEN,)), ranked("pots-5", scores[1])))
    answer = await ask(world)
    assert (answer.reason, answer.model_version, answer.degraded) == ("personalized", "m1", False)
    assert ids(answer)[:2] == ["verse-5", "pots-5"]
    assert [piece.item_id for piece in answer.items[0].because] == ["mugs-0"]


async def test_what_may_not_be_shown_is_taken_out(world, inference):
    # Promise: no rule is left to inference: excluded and unknown items go, the rest of its answer stays.
    inference.play = http(reply(ranked("verse-5", 3.0), ranked("tin", 2.0), ranked("pots-5", 1.0)))
    answer = await world.ask(user_id="ann", exclude=["verse-5"], k=5)
    assert ids(answer)[0] == "pots-5"
    assert {"verse-5", "tin"}.isdisjoint(ids(answer))


async def test_answers_that_break_the_contract_open_the_circuit(world, inference):
    # Promise: an inference that talks nonsense is left alone like one that is down, and taken back when it recovers.
    inference.play = http(reply(ranked("mugs-1"), ranked("mugs-1")))
    reasons = [(await ask(world)).reason for _ in range(12)]
    assert set(reasons) == {"inference_invalid", "circuit_open"}
    assert reasons[-1] == "circuit_open"
    inference.play = GOOD

    async def recovered() -> bool:
        return (await ask(world)).reason == "personalized"

    await eventually(recovered)
