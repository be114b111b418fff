"""Explain a request: what was asked, known, offered, filtered and shown; searched, and asked again."""

from datetime import UTC, datetime, timedelta

import pytest

from evershelf.contracts.admin_decisions import DecisionPage, Explanation, Replay
from evershelf.gateway.trace import EXCLUDED_KEPT
from evershelf.storage.catalog import suppress_item
from evershelf.storage.decisions import get_decision
from tests.gateway.gateway_world import eventually, ids, open_world
from tests.gateway.hostile_inference import hostile_inference, http, ranked, reply

SEEN = {"item_id": "mugs-0", "share": 1.0}
OFFER = http(
    reply(ranked("verse-5", 3.0, (SEEN,)), ranked("lamps-1", 2.0), ranked("attic-1", 1.5), ranked("pots-5", 1.0))
)


@pytest.fixture
async def world(postgres, tmp_path):
    async with (
        hostile_inference(OFFER) as inference,
        open_world(postgres.url, tmp_path, inference_url=f"http://127.0.0.1:{inference.port}") as world,
    ):
        world.client.headers["X-Request-Deadline-Ms"] = "2000"
        await world.see("ann", "mugs-0")
        await world.see("ann", "mugs-1", "purchase")
        yield world


async def explain(world, recommendation_id) -> Explanation:
    answer = await world.client.get(f"/v1/admin/decisions/{recommendation_id}")
    assert answer.status_code == 200, answer.text
    return Explanation.model_validate_json(answer.content)


async def search(world, **wanted) -> DecisionPage:
    answer = await world.client.get("/v1/admin/decisions", params=wanted)
    assert answer.status_code == 200, answer.text
    return DecisionPage.model_validate_json(answer.content)


async def test_an_answer_is_explained_from_question_to_list(world):
    # Promise: request, history, candidates, what was filtered and why, and the list stand in the record, as they were.
    await suppress_item(world.pool, "lamps-1", actor="test", reason="takedown")

    async def gone():
        return not world.parts.snapshots.current.open("lamps-1")

    await eventually(gone)
    answer = await world.ask(user_id="ann", exclude=["verse-0"], k=6)
    told = await explain(world, answer.recommendation_id)
    assert told.request.exclude == ("verse-0",)
    assert told.definition.name == "home"
    assert [(each.item_id, each.event_type) for each in told.history] == [
        ("mugs-1", "purchase"),
        ("mugs-0", "view_item"),
    ]
    verdicts = {each.item_id: (each.rank, each.filtered) for each in told.candidates}
    assert verdicts == {
        "verse-5": (1, None), "pots-5": (2, None), "lamps-1": (None, "suppressed"), "attic-1": (None, "unknown"),
    }  # fmt: skip
    assert {each.item_id: each.reason for each in told.hidden} == {"verse-0": "excluded", "mugs-1": "seen"}
    assert [each.item_id for each in told.items] == ids(answer)
    assert [each.score for each in told.items] == [place.score for place in answer.items]
    assert told.items[0].because[0].item_id == "mugs-0"
    assert told.attempts == answer.attempts
    assert told.complete
    assert told.inference_ms > 0


async def test_the_record_outlives_the_process_in_postgresql(world):
    # Promise: what memory no longer holds is explained from PostgreSQL, word for word.
    answer = await world.ask(user_id="ann")
    remembered = await explain(world, answer.recommendation_id)

    async def shipped():
        return await get_decision(world.parts.database.pool, answer.recommendation_id) is not None

    await eventually(shipped)
    world.parts.decisions._ring.clear()
    stored = await explain(world, answer.recommendation_id)
    assert (remembered.origin, stored.origin) == ("memory", "database")
    assert stored.model_dump(exclude={"origin"}) == remembered.model_dump(exclude={"origin"})


async def test_a_search_finds_by_user_time_and_outcome(world):
    # Promise: all that is set must hold; newest first; pages follow each other; memory and PostgreSQL count once.
    for number in range(5):
        await world.ask(user_id="ann" if number % 2 else "bob", placement="cart" if number == 4 else "home")
    assert [row.user_id for row in (await search(world)).decisions] == ["bob", "ann", "bob", "ann", "bob"]
    assert len((await search(world, user_id="ann")).decisions) == 2
    assert [row.placement for row in (await search(world, placement="cart")).decisions] == ["cart"]
    assert (await search(world, source="static")).decisions == []
    first = await search(world, limit=3)
    rest = await search(world, limit=3, before=first.next_before.isoformat())
    found = [row.recommendation_id for row in first.decisions + rest.decisions]
    assert (len(found), len(set(found)), rest.next_before) == (5, 5, None)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert (await search(world, before=yesterday.isoformat())).decisions == []


async def test_the_same_question_is_asked_again_and_counted_nowhere(world):
    # Promise: a replay answers anew under its own id, marked as a replay; no answer is counted for it.
    answer = await world.ask(user_id="ann")
    counted = (await world.parts.series.window(60, 1)).whole.answers.total()
    reply = await world.client.post(f"/v1/admin/decisions/{answer.recommendation_id}/replay")
    replay = Replay.model_validate_json(reply.content)
    assert replay.same_items == 1
    assert all(move.before == move.now for move in replay.moves)
    assert replay.now.decision.purpose == "replay"
    assert replay.now.decision.recommendation_id != answer.recommendation_id
    assert (await explain(world, replay.now.decision.recommendation_id)).decision.purpose == "replay"
    assert (await world.parts.series.window(60, 1)).whole.answers.total() == counted
    assert b'evershelf_answers_total{degraded="false",placement="home",reason="personalized",source="model"} 1.0' in (
        world.parts.telemetry.exposition()
    )


async def test_a_replay_shows_what_has_changed(world):
    # Promise: an item that was taken off meanwhile is gone from the new list, and the moves say so.
    answer = await world.ask(user_id="ann")
    await suppress_item(world.pool, "verse-5", actor="test", reason="")

    async def gone():
        return not world.parts.snapshots.current.open("verse-5")

    await eventually(gone)
    reply = await world.client.post(f"/v1/admin/decisions/{answer.recommendation_id}/replay")
    moves = {move.item_id: (move.before, move.now) for move in Replay.model_validate_json(reply.content).moves}
    assert moves["verse-5"] == (1, None)
    assert moves["pots-5"] == (3, 2)


async def test_long_lists_are_cut_and_said_to_be(world):
    # Promise: the record is bounded; an explanation of which something is missing says so.
    answer = await world.ask(user_id="ann", exclude=[f"no-{number}" for number in range(EXCLUDED_KEPT + 7)])
    told = await explain(world, answer.recommendation_id)
    assert (len(told.request.exclude), told.hidden_known) == (EXCLUDED_KEPT, EXCLUDED_KEPT + 7 + 1)
    assert not told.complete
    assert told.note


async def test_an_unknown_decision_is_not_found(world):
    # Promise: what nobody decided is a problem of its own, for explaining and for replaying.
    path = "/v1/admin/decisions/00000000-0000-4000-8000-000000000000"
    for answer in (await world.client.get(path), await world.client.post(path + "/replay")):
        assert answer.json()["type"] == "/problems/not-found"
