"""The checks are checked: for every guarantee a planted violation makes its check fail, and a sound run passes."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from evershelf.contracts.recommendations import Reason
from evershelf.drills.answers import Mishap
from evershelf.drills.assess import Observed, broken, calls_after_fault, detected_after_s, returned_after_s
from evershelf.drills.judge import Fault, Verdict
from evershelf.drills.link import Call
from evershelf.drills.matrix import rows
from evershelf.drills.row import ModelShare
from tests.drills.observed import DEAD, call, observed, sound_calls, sound_verdicts, verdict

Change = Callable[[Verdict], Verdict]


def changed(change: Change, *, from_s: float, until_s: float, every: int = 1) -> Observed:
    """The sound run, with every so-manieth answer between two instants changed."""
    told = sound_verdicts()
    at = [n for n, each in enumerate(told) if from_s <= each.answer.due_s < until_s][::every]
    return observed([change(each) if number in at else each for number, each in enumerate(told)])


def late(each: Verdict, by_s: float) -> Verdict:
    return replace(each, answer=replace(each.answer, done_s=each.answer.due_s + 0.150 + by_s))


def unanswered(each: Verdict) -> Verdict:
    answer = replace(each.answer, mishap=Mishap.RESET, status=0)
    return Verdict(answer, (Fault.EXCEPTION,))


def with_status_500(each: Verdict) -> Verdict:
    return Verdict(replace(each.answer, status=500), (Fault.STATUS,))


def said(reason: Reason) -> Change:
    return lambda each: verdict(each.answer.due_s, reason)


def probe(at_s: float, took_ms: float | None) -> Call:
    return call(at_s, is_probe=True, duration_ms=took_ms)


SLOW_ROW = next(row for row in rows() if row.name == "inference-slow-2x")
BOTH_UNSAID = {"row": replace(DEAD, must_say=(frozenset({Reason.INFERENCE_ERROR}),))}
PLANTED: dict[str, tuple[str, Observed]] = {
    "a request without an answer": ("G1", changed(unanswered, from_s=110, until_s=110.1)),
    "an answer with status 500": ("G1", changed(with_status_500, from_s=110, until_s=110.1)),
    "one answer far too late": ("G2", changed(lambda v: late(v, 0.06), from_s=110, until_s=110.1)),
    "many answers a little late": ("G2", changed(lambda v: late(v, 0.02), from_s=106, until_s=114, every=4)),
    "a call without a budget": ("G3", observed(calls=[*sound_calls(), call(103.0, budget_ms=None)])),
    "a call with a budget beyond its caller's": ("G3", observed(calls=[*sound_calls(), call(103.0, budget_ms=151)])),
    "a call that cannot be in time": ("G3", observed(calls=[*sound_calls(), call(103.0, budget_ms=2)])),
    "an invalid list": ("G4", changed(lambda v: replace(v, faults=(Fault.TWICE,)), from_s=101, until_s=101.1)),
    "a reason that cannot be true": ("G5", changed(said(Reason.INFERENCE_ERROR), from_s=110, until_s=110.1)),
    "a dead model that answers": ("G5", changed(said(Reason.PERSONALIZED), from_s=110, until_s=110.1)),
    "trouble that lasts": ("G5", changed(said(Reason.INFERENCE_UNAVAILABLE), from_s=125, until_s=125.1)),
    "an acknowledged event that is nowhere": ("G9", observed(lost_events=1)),
    "books that do not balance": ("G11", observed(unbalanced=1)),
    "events refused without need": ("G12", observed(events_refused=1)),
    "an odd answer to events": ("G12", observed(events_odd=1)),
    "goodput that stays low": ("G14", changed(unanswered, from_s=121, until_s=127, every=2)),
    "calls that are repeated": ("G15", observed(calls=sound_calls() * 4)),
    "calls that go on": ("G16", observed(calls=[*sound_calls(), *(call(105 + n / 10) for n in range(30))])),
    "a model that does not come back": ("G17", changed(said(Reason.CIRCUIT_OPEN), from_s=116, until_s=127)),
    "two probes at a time": ("G17", observed(calls=[*sound_calls(), *(probe(at_s, 80.0) for at_s in (114.0, 114.05))])),
    "a probe that does not wait for a silent one": ("G17", observed(calls=[*sound_calls(), probe(107.1, None)])),
    "load that comes back at once": ("G17", observed(calls=[*sound_calls(), *(call(117.5) for _ in range(100))])),
    "more memory than is allowed": ("G25", observed(memory_bytes_max=513 * 2**20)),
    "a door that is open": ("G26", observed(wrong_doors={"no key: 200": 1})),
    "answers that were not counted": ("G28", observed(counted_answers={"model personalized": 1.0})),
    "a rig that was not well": ("drill", changed(said(Reason.CIRCUIT_OPEN), from_s=100, until_s=104)),
    "a fault that was not felt": ("drill", observed(felt=False)),
    "a fault that nobody told of": ("drill", observed(**BOTH_UNSAID)),
    "an outage where none should be noticed": ("matrix", observed(row=replace(SLOW_ROW, model=ModelShare.ALL))),
}


def test_a_run_in_which_all_held_passes():
    # Promise: no false alarm.
    assert broken(observed()) == []


def test_good_probes_may_follow_one_another_at_once():
    # Promise: one at a time is all that G17 asks; nothing is run over by the next one when the last was answered.
    quick = [probe(114.0 + number * 0.06, 50.0) for number in range(3)]
    assert broken(observed(calls=[*sound_calls(), *quick])) == []


@pytest.mark.parametrize(("guarantee", "seen"), PLANTED.values(), ids=PLANTED)
def test_a_planted_violation_is_seen(guarantee, seen):
    # Promise: each check fires on what it is there for.
    assert guarantee in {each.guarantee for each in broken(seen)}


def test_a_process_that_was_replaced_is_not_reconciled():
    # Promise: counters that began anew say nothing, and are not held against the run.
    assert broken(observed(counted_answers=None)) == []


def test_answers_that_nobody_waited_for_are_counted_all_the_same():
    # Promise: a caller that asked another gateway meanwhile hears one answer; two may be counted, and not three.
    told = sound_verdicts()
    told[0] = replace(told[0], answer=replace(told[0].answer, attempts=2))
    counted = observed(told).counted_answers
    assert counted is not None
    twice = {**counted, "popular overloaded": 1.0}
    assert broken(observed(told, counted_answers=twice)) == []
    thrice = {**counted, "popular overloaded": 2.0}
    assert {each.guarantee for each in broken(observed(told, counted_answers=thrice))} == {"G28"}


def test_what_is_asked_in_the_last_moment_of_a_fault_may_be_answered_after_it():
    # Promise: an answer by the model is impossible only while the model cannot be asked.
    told = [*sound_verdicts(), verdict(114.98, took_s=0.1)]
    assert broken(observed(told)) == []


def test_few_replies_are_half_read_when_a_connection_breaks():
    # Promise: `inference_invalid` is true of a reply cut in two, so of few answers, and of none where nothing is cut.
    few = changed(said(Reason.INFERENCE_INVALID), from_s=110, until_s=110.1)
    many = changed(said(Reason.INFERENCE_INVALID), from_s=106, until_s=114)
    cut, whole = replace(DEAD, cuts_replies=True), replace(DEAD, cuts_replies=False)
    assert broken(replace(few, row=cut)) == []
    assert "G5" in {each.guarantee for each in broken(replace(many, row=cut))}
    assert "G5" in {each.guarantee for each in broken(replace(few, row=whole))}


def test_an_excused_lateness_is_excused_only_while_the_fault_is_on():
    # Promise: a process that was stopped answers nobody; before and after, it has no excuse.
    row = replace(DEAD, late_excused="stopped")
    during = changed(lambda v: late(v, 0.06), from_s=110, until_s=111)
    after = changed(lambda v: late(v, 0.06), from_s=126, until_s=126.1)
    assert broken(replace(during, row=row)) == []
    assert {each.guarantee for each in broken(replace(after, row=row))} == {"G2"}


def test_times_are_taken_from_what_was_seen():
    # Promise: detection is the first answer that leaves inference alone; return is the first whole second.
    seen = observed()
    assert detected_after_s(seen) == pytest.approx(0.2)
    assert returned_after_s(seen, 0.9) == 2.0
    assert len(calls_after_fault(seen)) == 2


def test_calls_that_nobody_heard_are_counted_by_their_answers():
    # Promise: where nobody listens the proxy sees no call; the answers tell how many there were.
    assert len(calls_after_fault(observed(calls=[]))) == 2
