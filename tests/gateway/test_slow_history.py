"""A database that answers too late costs the history, never the model: what is on the page still counts."""

from evershelf.contracts.recommendations import Reason, Source
from tests.gateway.gateway_world import open_world, valid
from tests.gateway.hostile_inference import hostile_inference
from tests.gateway.test_hostile_inference import GOOD


async def test_a_locked_events_table_leaves_time_for_the_model(postgres, tmp_path):
    """The history gets its share of the budget; then inference is asked with what is known, and the answer says so."""
    async with (
        hostile_inference(GOOD) as inference,
        open_world(postgres.url, tmp_path, inference_url=f"http://127.0.0.1:{inference.port}") as world,
        world.pool.acquire() as connection,
        connection.transaction(),
    ):
        await connection.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        question = {"user_id": "late-comer", "context_items": ["mugs-0"], "placement": "item-page"}
        answer = valid(
            await world.client.post("/v1/recommendations", json=question, headers={"X-Request-Deadline-Ms": "1000"})
        )
    assert (answer.source, answer.reason, answer.degraded) == (Source.MODEL, Reason.CONTEXTUAL, True)
    assert answer.attempts[0].outcome is Reason.HISTORY_UNAVAILABLE


async def test_a_held_out_request_without_time_reads_no_history(postgres, tmp_path):
    """Promise: where no time is left, nothing is waited for, held out or not."""
    given = {"gateway_holdout_share": 0.5, "gateway_inference_budget_ms_min": 500}
    async with open_world(postgres.url, tmp_path, **given) as world:
        await world.calm()
        held = next(name for name in map(str, range(200)) if world.parts.rollout.holds_out(name))
        hurried = {"X-Request-Deadline-Ms": "400"}
        answer = valid(await world.client.post("/v1/recommendations", json={"user_id": held}, headers=hurried))
        assert answer.reason is Reason.HOLDOUT
        assert not world.parts.history.complete(held, None)
