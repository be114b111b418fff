"""The breaker's promise: what fails is soon left alone, one probe at a time asks for it, and it comes back gently."""

from hypothesis import given
from hypothesis import strategies as st

from evershelf.policy.breaker import (
    Breaker,
    Call,
    Limits,
    State,
    admits,
    begin_probe,
    end_probe,
    force_open,
    record,
)

LIMITS = Limits()


def after(*calls: Call, breaker: Breaker | None = None, now_s: float = 0.0) -> Breaker:
    breaker = breaker or Breaker()
    for call in calls:
        breaker = record(breaker, call, LIMITS, now_s=now_s)
    return breaker


def test_five_hard_failures_in_a_row_open_it():
    assert after(*[Call.FAILED] * 4).state is State.CLOSED
    assert after(*[Call.FAILED] * 5).state is State.OPEN


def test_a_good_call_between_failures_starts_the_count_again():
    assert after(*[Call.FAILED] * 4, Call.GOOD, *[Call.FAILED] * 4).state is State.CLOSED


def test_half_of_twenty_slow_calls_open_it():
    assert after(*[Call.SLOW, Call.GOOD] * 9).state is State.CLOSED
    assert after(*[Call.GOOD, Call.SLOW] * 10).state is State.OPEN


def test_calls_older_than_the_window_are_forgotten():
    old = after(*[Call.SLOW] * 19)
    assert after(Call.SLOW, breaker=old, now_s=11.0).state is State.CLOSED


def test_the_callers_own_faults_do_not_count():
    assert after(*[Call.IGNORED] * 100) == Breaker()


def test_open_lets_nothing_through_and_one_probe_at_a_time():
    opened = after(*[Call.FAILED] * 5)
    assert not admits(opened, LIMITS, now_s=0.5, chance=0.0)
    assert begin_probe(opened, LIMITS, now_s=0.5) is None
    probing = begin_probe(opened, LIMITS, now_s=1.0)
    assert probing is not None
    assert begin_probe(probing, LIMITS, now_s=1.1) is None
    assert not admits(probing, LIMITS, now_s=1.1, chance=0.0)


def test_a_probe_that_never_reports_back_loses_its_permit():
    probing = begin_probe(after(*[Call.FAILED] * 5), LIMITS, now_s=1.0)
    assert probing is not None
    assert begin_probe(probing, LIMITS, now_s=1.0 + LIMITS.probe_s_max) is not None


def test_a_failed_probe_opens_it_again_for_longer_up_to_a_limit():
    breaker, now_s, waits = after(*[Call.FAILED] * 5), 0.0, []
    for _ in range(6):
        waits.append(breaker.until_s - now_s)
        now_s = breaker.until_s
        probing = begin_probe(breaker, LIMITS, now_s=now_s)
        assert probing is not None
        breaker = end_probe(probing, LIMITS, good=False, now_s=now_s)
    assert waits == sorted(waits)
    assert waits[-1] == LIMITS.wait_s_max


def test_a_good_probe_lets_the_load_come_back_by_doubling():
    probing = begin_probe(after(*[Call.FAILED] * 5), LIMITS, now_s=1.0)
    assert probing is not None
    closed = end_probe(probing, LIMITS, good=True, now_s=1.0)
    shares = [sum(admits(closed, LIMITS, now_s=1.0 + t, chance=n / 100) for n in range(100)) / 100 for t in range(5)]
    assert shares == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert not record(closed, Call.GOOD, LIMITS, now_s=5.0).ramping


def test_a_night_without_calls_ends_the_ramp():
    probing = begin_probe(after(*[Call.FAILED] * 5), LIMITS, now_s=1.0)
    assert probing is not None
    closed = end_probe(probing, LIMITS, good=True, now_s=1.0)
    assert admits(closed, LIMITS, now_s=1e9, chance=0.999)
    assert not record(closed, Call.GOOD, LIMITS, now_s=1e9).ramping


def test_an_operator_can_hold_it_open_but_not_for_ever():
    forced = force_open(Breaker(), now_s=0.0, seconds=30.0)
    assert not admits(forced, LIMITS, now_s=29.0, chance=0.0)
    assert begin_probe(forced, LIMITS, now_s=29.0) is None
    assert begin_probe(forced, LIMITS, now_s=30.0) is not None


@given(st.lists(st.tuples(st.sampled_from(Call), st.floats(0, 3)), max_size=200))
def test_state_stays_bounded_and_a_way_back_always_exists(steps):
    breaker, now_s = Breaker(), 0.0
    for call, pause_s in steps:
        now_s += pause_s
        breaker = record(breaker, call, LIMITS, now_s=now_s)
        assert len(breaker.buckets) <= LIMITS.window_s
    if breaker.state is not State.CLOSED:
        probing = begin_probe(breaker, LIMITS, now_s=max(now_s, breaker.until_s))
        assert probing is not None
        assert end_probe(probing, LIMITS, good=True, now_s=now_s).state is State.CLOSED
