"""The decision log remembers the newest answers and hands on the sampled share."""

from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from types import MappingProxyType
from uuid import UUID, uuid4

import orjson
from pydantic import TypeAdapter

from evershelf.contracts.recommendations import Reason, RecommendationRequest, Source
from evershelf.gateway.decisions import Decision, DecisionLog
from evershelf.gateway.outside import Clock
from evershelf.gateway.settings import GatewaySettings

ONE = Decision(
    recommendation_id=UUID(int=1),
    decided_at=datetime(2026, 3, 1, tzinfo=UTC),
    placement="home",
    user_id="ann",
    session_id=None,
    source=Source.MODEL,
    reason=Reason.PERSONALIZED,
    degraded=False,
    model_version="m1",
    snapshot_version="s1",
    item_ids=("mug",),
    record={},
)

ANN = RecommendationRequest(placement="home", user_id="ann")


class FakeSpool:
    """Keeps what it is given, encoded."""

    def __init__(self):
        self.bodies = []

    has_room = True

    def append_decision(self, encode):
        if self.has_room:
            self.bodies.append(encode())
        return self.has_room


def log_with(spool, *, clock=None, **changed) -> DecisionLog:
    return DecisionLog(GatewaySettings(key_secret="00" * 32, **changed), spool, clock=clock)


def test_ring_holds_the_newest_and_no_more():
    # Memory is bounded: the oldest goes; what is there is found by id, by user, newest first.
    log = log_with(FakeSpool(), gateway_decisions_ring_max=3)
    for number in range(1, 6):
        log.record(replace(ONE, recommendation_id=UUID(int=number), user_id="ann" if number % 2 else "bob"))
    assert log.find(UUID(int=2)) is None
    assert log.find(UUID(int=4)).user_id == "bob"
    assert [each.recommendation_id.int for each in log.latest(10)] == [5, 4, 3]
    assert [each.recommendation_id.int for each in log.latest(10, user_id="ann")] == [5, 3]
    assert [each.recommendation_id.int for each in log.latest(1)] == [5]


def test_share_is_sampled_by_id():
    # The share that is kept is the share that was asked for, and the same answers on every process.
    decisions = [replace(ONE, recommendation_id=uuid4()) for _ in range(4_000)]
    first, second, none = FakeSpool(), FakeSpool(), FakeSpool()
    for spool, share in ((first, 0.25), (second, 0.25), (none, 0.0)):
        log = log_with(spool, gateway_decisions_share=share)
        for decision in decisions:
            log.record(decision)
    assert first.bodies == second.bodies
    assert 800 < len(first.bodies) < 1_200
    assert none.bodies == []


def test_so_many_answers_a_second_are_recorded_and_those_beyond_are_counted():
    # Promise: a burst of two seconds' worth, then the rate; `inf` records all. What was passed over is counted.
    now_s, spool = 1_000.0, FakeSpool()
    log = log_with(spool, clock=Clock(monotonic_s=lambda: now_s), gateway_decisions_per_s_max=5.0)
    for _ in range(60):
        log.offer(ANN, one)
    assert (len(spool.bodies), log.passed_over) == (10, 50)
    now_s += 2.0
    for _ in range(60):
        log.offer(ANN, one)
    assert (len(spool.bodies), log.passed_over) == (20, 100)
    unbounded = log_with(FakeSpool(), gateway_decisions_per_s_max=inf)
    for _ in range(5_000):
        unbounded.offer(ANN, one)
    assert unbounded.passed_over == 0


def test_whose_a_session_is_is_recorded_whatever_the_rate_and_the_share():
    # Promise: erasing a person finds their sessions by this; the first answer that tells it is kept, the next need not.
    spool = FakeSpool()
    clock = Clock(monotonic_s=lambda: 0.0)
    log = log_with(spool, clock=clock, gateway_decisions_per_s_max=0.5, gateway_decisions_share=0.0)
    for session_id in ("s1", "s1", "s2", None, "s1"):
        log.offer(RecommendationRequest(placement="home", user_id="ann", session_id=session_id), one)
    assert len(spool.bodies) == 2
    log.forget_pairs()  # of somebody who was erased nothing may be left, and what they do next must be found again
    log.offer(RecommendationRequest(placement="home", user_id="ann", session_id="s1"), one)
    assert len(spool.bodies) == 3


def test_what_found_no_room_is_told_again():
    # Promise: a full spool may cost a record, but not the knowledge of whose a session is: the next answer tells it.
    spool = FakeSpool()
    log = log_with(spool, gateway_decisions_share=0.0)
    for has_room in (False, True, True):
        spool.has_room = has_room
        log.offer(RecommendationRequest(placement="home", user_id="ann", session_id="s1"), one)
    assert len(spool.bodies) == 1


def one() -> Decision:
    return replace(ONE, recommendation_id=uuid4())


def test_encoded_decision_reads_back_whole():
    # What goes to the spool is the decision itself, whatever mapping its record is.
    spool = FakeSpool()
    log_with(spool).record(replace(ONE, record=MappingProxyType({"attempts": [1, "a", None]})))
    [body] = spool.bodies
    assert TypeAdapter(Decision).validate_json(body) == replace(ONE, record={"attempts": [1, "a", None]})
    assert orjson.loads(body)["source"] == "model"
