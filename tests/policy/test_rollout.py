"""Assignment and rollout: lasting arms, stages that wait for evidence, guardrails that fire and cry no wolf."""

from dataclasses import astuple
from random import Random

import pytest

from evershelf.policy.assignment import belongs, place_of
from evershelf.policy.rollout import (
    ANSWERS_MIN,
    FADING_CALLS_MIN,
    FADING_COMPARED_MIN,
    Arm,
    CallKind,
    Evidence,
    Guardrail,
    Stage,
    broken,
    faded,
    seen,
    stage_at,
    wilson,
)

USERS = [f"user-{number}" for number in range(20_000)]
STAGES = (Stage(0.01, 60), Stage(0.05, 60), Stage(0.25, 60), Stage(1.0, 60))


def test_arms_are_even_and_splits_are_independent_of_one_another():
    inside = {user for user in USERS if belongs(user, 0.05, salt="m2")}
    assert len(inside) == pytest.approx(1_000, abs=120)
    assert len({user for user in inside if belongs(user, 0.05, salt="holdout")}) == pytest.approx(50, abs=25)
    assert place_of("user-1", salt="m2") == pytest.approx(0.6928, abs=1e-4)  # the same on every machine


def test_a_higher_share_only_adds_users_and_nobody_without_an_id_is_in_it():
    small, large = ({user for user in USERS if belongs(user, share, salt="m2")} for share in (0.01, 0.25))
    assert small < large
    assert all(belongs(user, 1.0, salt="m2") for user in USERS)
    assert not belongs(None, 1.0, salt="m2")


def arm(calls=200, **counts):
    return Arm(**{"calls": calls, "answered": calls, "latency_ms": 5.0 * calls, **counts})


def evidence(*, compared=200, overlap=0.8, champion=None, **counts):
    return Evidence(champion or arm(), arm(**counts), compared, overlap * compared)


@pytest.mark.parametrize(
    ("found", "guardrail"),
    [
        (evidence(), None),
        (evidence(invalid=10), Guardrail.INVALID),
        (evidence(empty=60), Guardrail.EMPTY),
        (evidence(empty=60, champion=arm(empty=50)), None),  # the champion finds as little
        (evidence(time_outs=30), Guardrail.TIME_OUTS),
        (evidence(latency_ms=200 * 40.0), Guardrail.LATENCY),
        (evidence(latency_ms=200 * 9.0), None),
        (evidence(overlap=0.1), Guardrail.OVERLAP),
        (evidence(overlap=0.1, compared=10), None),
        (evidence(calls=ANSWERS_MIN - 1, invalid=20), None),
        (evidence(answers=5_000, clicks=100, champion=arm(answers=5_000, clicks=250)), Guardrail.CLICK_THROUGH),
        (evidence(answers=5_000, clicks=230, champion=arm(answers=5_000, clicks=250)), None),
        (evidence(answers=500, clicks=0, champion=arm(answers=5_000, clicks=250)), None),
    ],
)
def test_a_guardrail_breaks_on_what_is_bad_and_on_nothing_else(found, guardrail):
    verdict = broken(found)
    assert (verdict and verdict[0]) == guardrail


@pytest.mark.parametrize(("elapsed_s", "stage"), [(0, 0), (59, 0), (60, 1), (125, 2), (239, 3), (240, 4), (9e9, 4)])
def test_stages_follow_the_schedule_once_there_is_evidence(elapsed_s, stage):
    assert stage_at(STAGES, elapsed_s, evidence()) == stage
    assert stage_at(STAGES, elapsed_s, Evidence()) == 0


def test_calls_are_counted_by_kind():
    found = Arm()
    for kind in CallKind:
        found = seen(found, kind, 4.0)
    assert found == Arm(calls=4, invalid=1, empty=1, time_outs=1, answered=2, latency_ms=8.0)


def test_what_is_judged_fades_in_both_arms_at_once_and_never_to_nothing():
    # Promise: enough is left for a verdict, both arms speak of the same time, clicks are counted elsewhere.
    old = evidence(calls=1_000, empty=100, answers=5, champion=arm(5_000, time_outs=50), compared=90, overlap=0.5)
    new = faded(old)
    assert (new.challenger.calls, new.challenger.empty, new.challenger.answers) == (500, 50, 5)
    assert (new.champion.calls, new.champion.time_outs, new.champion.mean_ms) == (2_500, 25, 5.0)
    assert (new.compared, new.mean_overlap) == (45, 0.5)
    for _ in range(20):
        new = faded(new)
    assert min(new.challenger.calls, new.champion.calls) >= FADING_CALLS_MIN // 2
    assert new.compared >= FADING_COMPARED_MIN // 2
    few = evidence(calls=FADING_CALLS_MIN - 1, champion=arm(100_000), compared=FADING_COMPARED_MIN - 1)
    assert faded(few) == few


def test_chance_breaks_no_guardrail_however_long_it_is_given():
    # Promise: of two models that are as imperfect as each other none is blamed, though what is judged are few calls.
    chance, now = Random(7), Evidence(compared=60, overlap=40.0)
    for _ in range(540):  # an hour and a half, as long as a canary takes
        arms = [now.champion, now.challenger]
        for _ in range(200):
            (kind,) = chance.choices(tuple(CallKind), (0.928, 0.05, 0.002, 0.02))
            which = chance.random() < 0.25
            arms[which] = seen(arms[which], kind, chance.uniform(2, 20))
        now = Evidence(*arms, *astuple(now)[2:])
        assert broken(now) is None
        now = faded(now)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"), [(0, 0, 0, 1), (0, 10, 0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1)]
)
def test_wilsons_interval_is_as_published(count, total, low, high):
    assert wilson(count, total) == pytest.approx((low, high), abs=1e-4)
