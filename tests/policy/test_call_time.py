"""What the times of calls promise: a true median that is soon forgotten, and a fair judgement of each call."""

from statistics import median_high

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evershelf.contracts.recommendations import TROUBLE, Reason
from evershelf.policy.breaker import Call
from evershelf.policy.call_time import FORGET_S, SAMPLES_MAX, CallTime, judge, observed, p50_ms


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=80))
def test_half_of_the_last_calls_took_at_most_the_median(samples_ms):
    times = CallTime()
    for sample_ms in samples_ms:
        times = observed(times, sample_ms, now_s=1.0)
    assert p50_ms(times, now_s=1.0) == median_high(samples_ms[-SAMPLES_MAX:])


def test_what_nobody_could_measure_for_a_while_is_forgotten():
    # Promise: a service that was slow is asked again, or it could never be found well.
    times = observed(CallTime(), 500.0, now_s=10.0)
    assert p50_ms(times, now_s=10.0 + FORGET_S) == 500.0
    assert p50_ms(times, now_s=10.1 + FORGET_S) == 0.0
    assert p50_ms(CallTime(), now_s=10.0) == 0.0


def test_an_answer_after_the_silence_brings_back_nothing_that_was_forgotten():
    # Promise: what was slow before nobody asked it turns no caller away once it has answered well.
    times = observed(observed(CallTime(), 500.0, now_s=10.0), 600.0, now_s=10.1)
    times = observed(times, 9.0, now_s=10.2 + FORGET_S)
    assert p50_ms(times, now_s=10.2 + FORGET_S) == 9.0


def test_good_answers_keep_no_slow_one_in_memory():
    # Promise: where few ask, a slow answer is forgotten as soon as where many do.
    times = observed(observed(CallTime(), 500.0, now_s=10.0), 600.0, now_s=10.5)
    times = observed(times, 9.0, now_s=9.9 + FORGET_S)
    assert p50_ms(times, now_s=10.0 + FORGET_S) == 500.0
    assert p50_ms(times, now_s=10.6 + FORGET_S) == 9.0


@pytest.mark.parametrize(
    ("outcome", "elapsed_ms", "p50", "expected"),
    [
        (Reason.PERSONALIZED, 4.0, 4.0, Call.GOOD),
        (Reason.PERSONALIZED, 101.0, 4.0, Call.SLOW),
        (Reason.DEADLINE_EXCEEDED, 60.0, 4.0, Call.FAILED),
        (Reason.DEADLINE_EXCEEDED, 20.0, 4.0, Call.SLOW),
        (Reason.DEADLINE_EXCEEDED, 20.0, 15.0, Call.IGNORED),  # the caller allowed too little
        (Reason.DEADLINE_EXCEEDED, 20.0, 0.0, Call.SLOW),
        (Reason.INFERENCE_ERROR, 1.0, 4.0, Call.FAILED),
        (Reason.OVERLOADED, 1.0, 4.0, Call.IGNORED),
        (Reason.NO_MODEL, 1.0, 4.0, Call.IGNORED),
    ],
)
def test_a_call_is_judged_by_what_it_says_about_the_other_side(outcome, elapsed_ms, p50, expected):
    assert judge(outcome, elapsed_ms=elapsed_ms, p50_ms=p50, slow_ms=100.0, patience_ms=50.0) is expected


@given(st.sampled_from(sorted(TROUBLE)), st.floats(0, 1e4), st.floats(0, 1e4))
def test_trouble_is_never_good(outcome, elapsed_ms, p50):
    assert judge(outcome, elapsed_ms=elapsed_ms, p50_ms=p50, slow_ms=100.0, patience_ms=50.0) is not Call.GOOD
