"""The judge is judged: a sound answer passes, and every wrong one that can be planted is caught by its own check."""

from dataclasses import replace

import pytest

from evershelf.drills.answers import Mishap
from evershelf.drills.judge import Fault, judge
from tests.drills.recommended import ASK, CATALOG, answer, fallen_back, item, told

THREE = [item(1), item(2), item(3)]
WRONG = {
    Fault.COUNT: told(items=THREE[:2]),
    Fault.TWICE: told(items=[item(1), item(2), item(2, rank=3)]),
    Fault.UNKNOWN: told(items=[item(1), item(2), item(3, item_id="i99")]),
    Fault.INELIGIBLE: told(items=[item(1), item(2), item(3, item_id="i17")]),
    Fault.HIDDEN: told(items=[item(1), item(2), item(3, item_id="i9")]),
    Fault.ORDER: told(items=[item(1, score=0.1), item(2), item(3)]),
    Fault.RANKS: told(items=[item(1), item(2), item(3, rank=4)]),
    Fault.SOURCE: told(items=[item(1, source="related"), item(2), item(3)]),
    Fault.DEGRADED: fallen_back("circuit_open", degraded=False),
    Fault.REASON: fallen_back("circuit_open", reason="inference_error"),
    Fault.VERSION: told(model_version=None),
    Fault.BUDGET: told(deadline_ms=151),
    Fault.PLACEMENT: told(placement="cart"),
}


@pytest.mark.parametrize("body", [told(), fallen_back("circuit_open"), fallen_back("no_history", degraded=False)])
def test_a_sound_answer_passes(body):
    # Promise: no false alarm, with the model or without it.
    assert judge(answer(body), ASK, CATALOG).faults == ()


@pytest.mark.parametrize(("fault", "body"), WRONG.items(), ids=WRONG)
def test_a_wrong_answer_is_caught_by_its_check(fault, body):
    # Promise: each check fires on the one thing that it is there for, and on nothing else.
    assert judge(answer(body), ASK, CATALOG).faults == (fault,)


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", told(source="oracle"), told(reason="because"), told(items=[item(1, score=2.0)])],
    ids=["empty", "no JSON", "another source", "another reason", "a score above 1"],
)
def test_what_breaks_the_contract_is_caught(body):
    # Promise: closed sets and bounds are those of the contract.
    assert judge(answer(body), ASK, CATALOG).faults == (Fault.CONTRACT,)


def test_no_answer_and_another_status_are_caught():
    # Promise: whatever the body says, a 500 is a 500, and silence is silence.
    assert judge(answer(told(), status=500), ASK, CATALOG).faults == (Fault.STATUS,)
    silent = replace(answer(b""), mishap=Mishap.RESET, status=0)
    assert judge(silent, ASK, CATALOG).faults == (Fault.EXCEPTION,)


def test_every_fault_has_a_planted_answer():
    # Promise: a check that is added without an answer that makes it fire fails here.
    assert set(WRONG) | {Fault.CONTRACT, Fault.STATUS, Fault.EXCEPTION} == set(Fault)
