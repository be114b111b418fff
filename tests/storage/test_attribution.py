"""Attribution: an event counts for the answer that it quotes, once, within the window, if its item was on that list."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from evershelf.contracts.events import Event, EventType
from evershelf.contracts.recommendations import Reason, Source
from evershelf.policy.attribution import Dimension, Outcomes, grouped, told, uplift
from evershelf.storage.attribution import AttributionQuestion, clicks_by_version, outcomes
from evershelf.storage.decisions import Decision, store_decisions
from evershelf.storage.events import store_events

NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)
WEEK = AttributionQuestion(NOON - timedelta(hours=1), NOON + timedelta(hours=1))


def decision(**changes) -> Decision:
    given = {
        "recommendation_id": uuid4(), "decided_at": NOON, "placement": "home", "user_id": "u", "session_id": None,
        "source": Source.MODEL, "reason": Reason.PERSONALIZED, "degraded": False, "model_version": "m1",
        "snapshot_version": "s1", "item_ids": ("a", "b"), "record": {},
    }  # fmt: skip
    return Decision(**(given | changes))


def event(of: Decision | UUID, event_type=EventType.SELECT_ITEM, *, item_id="a", after_h=0.1) -> Event:
    quoted = of if isinstance(of, UUID) else of.recommendation_id
    return Event(
        event_id=uuid4(), user_id="u", item_id=item_id, event_type=event_type,
        occurred_at=NOON + timedelta(hours=after_h), recommendation_id=quoted,
    )  # fmt: skip


async def counted(pool, question=WEEK):
    found = await outcomes(pool, question)
    total = next(iter(grouped(found, Dimension.PLACEMENT).values()), Outcomes())
    return total.answers, total.impressions, total.clicks, total.carts, total.purchases


async def test_an_answer_counts_once_a_kind_however_often_events_are_sent(pool):
    # Promise: two clicks on one list are one clicked answer, and sending or asking again changes nothing.
    clicked, bought, ignored = decision(), decision(), decision()
    await store_decisions(pool, [clicked, bought, ignored])
    events = [
        event(clicked), event(clicked, item_id="b"), event(bought, EventType.VIEW_ITEM_LIST), event(bought),
        event(bought, EventType.ADD_TO_CART), event(bought, EventType.PURCHASE, after_h=30),
    ]  # fmt: skip
    for _ in range(2):
        await store_events(pool, events)
        assert await counted(pool) == (3, 1, 2, 1, 1)


@pytest.mark.parametrize(
    "stray",
    [
        lambda each: event(each, item_id="never shown"),
        lambda each: event(each, after_h=-1),
        lambda each: event(each, after_h=24 * 8),
        lambda _: event(uuid4()),
        lambda each: event(each, EventType.REMOVE_FROM_CART),
    ],
    ids=["another item", "before the answer", "past the window", "another answer", "no such outcome"],
)
async def test_what_the_answer_did_not_cause_is_not_counted(pool, stray):
    one = decision()
    await store_decisions(pool, [one])
    await store_events(pool, [stray(one)])
    assert await counted(pool) == (1, 0, 0, 0, 0)


async def test_groups_tell_placement_source_reason_and_version_apart(pool):
    one = decision()
    other = decision(placement="cart", source=Source.POPULAR, reason=Reason.POPULAR, model_version=None)
    await store_decisions(pool, [one, other, decision(decided_at=NOON - timedelta(days=3))])
    await store_events(pool, [event(one)])
    report = told(await outcomes(pool, WEEK))
    found = {(group["dimension"], group["name"]): (group["answers"], group["clicks"]) for group in report["groups"]}
    assert found == {
        ("placement", "home"): (1, 1), ("placement", "cart"): (1, 0), ("source", "model"): (1, 1),
        ("source", "popular"): (1, 0), ("reason", "personalized"): (1, 1), ("reason", "popular"): (1, 0),
        ("model_version", "m1"): (1, 1), ("model_version", ""): (1, 0),
    }  # fmt: skip
    assert report["uplift"] is None
    assert await clicks_by_version(pool, since=NOON - timedelta(hours=1)) == {"m1": (1, 1)}


def test_uplift_is_the_difference_to_the_holdout_with_an_interval():
    # Promise: Newcombe's example (56/70 against 48/80): .2, from .0524 to .3339; who could not be held out is left out.
    found = [
        Outcomes(reason="personalized", answers=60, clicks=50),
        Outcomes(reason="no_history", answers=10, clicks=6),
        Outcomes(reason="holdout", answers=80, clicks=48),
        Outcomes(reason="not_in_ladder", answers=1_000),
        Outcomes(reason="popular", known=False, answers=1_000),
    ]
    gain = uplift(found)
    assert (gain.treated.answers, gain.held_out.answers) == (70, 80)
    rate = gain.click_through
    assert (rate.share, rate.low, rate.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
