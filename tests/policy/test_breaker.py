"""The breaker's promise: what fails is soon left alone, one probe at a time asks for it, and it comes back gently."""

from evershelf.policy.breaker import (
    Breaker,
    Call,
    Limits,
    State,
    admits,
    begin_probe,
    end_probe,
    record,
)

LIMITS = Limits()


def after(*calls: Call, breaker: Breaker | None = None, now_s: float = 0.0) -> Breaker:
    breaker = breaker or Breaker()
    for call in calls:
        breaker = record(breaker, call, LIMITS, began_s=now_s, now_s=now_s)
    return breaker


def probed(breaker: Breaker, *, now_s: float, good: int) -> Breaker:
    """The breaker after this many good probes in a row."""
    for _ in range(good):
        probing = begin_probe(breaker, LIMITS, now_s=now_s)
        assert probing is not None
        breaker = end_probe(probing, LIMITS, good=True, now_s=now_s)
    return breaker


def test_five_hard_failures_in_a_row_open_it():
    assert after(*[Call.FAILED] * 4).state is State.CLOSED
    assert after(*[Call.FAILED] * 5).state is State.OPEN


def test_a_good_call_between_failures_starts_the_count_again():
    assert after(*[Call.FAILED] * 4, Call.GOOD, *[Call.FAILED] * 4).state is State.CLOSED


def test_half_of_twenty_slow_calls_open_it():
    assert after(*[Call.SLOW, Call.GOOD] * 9).state is State.CLOSED
    assert after(*[Call.GOOD, Call.SLOW] * 10).state is State.OPEN


def test_one_in_four_failed_outright_opens_it():
    assert after(*[Call.FAILED, *[Call.GOOD] * 4] * 20).state is State.CLOSED
    assert after(*[*[Call.GOOD] * 3, Call.FAILED] * 9).state is State.CLOSED
    assert after(*[*[Call.GOOD] * 3, Call.FAILED] * 10).state is State.OPEN


def test_a_good_call_never_opens_it():
    # Promise: a fault that is over before calls enough were made to tell takes the model from nobody afterwards.
    over = after(*[Call.SLOW] * 12)
    assert after(*[Call.GOOD] * 8, breaker=over, now_s=5.0).state is State.CLOSED
    assert after(*[Call.GOOD] * 7, Call.SLOW, breaker=over, now_s=5.0).state is State.OPEN
    assert after(*[Call.FAILED, *[Call.GOOD] * 3] * 10).state is State.CLOSED


def test_a_long_good_time_before_does_not_hide_a_fault():
    well = Breaker()
    for second in range(9):
        well = after(*[Call.GOOD] * 100, breaker=well, now_s=float(second))
    assert after(*[Call.SLOW] * 20, breaker=well, now_s=9.0).state is State.OPEN


def test_calls_begun_before_it_closed_say_nothing_new():
    closed = probed(after(*[Call.FAILED] * 5), now_s=1.0, good=LIMITS.probes_good_min)
    for _ in range(5):
        closed = record(closed, Call.FAILED, LIMITS, began_s=0.9, now_s=1.1)
    assert closed.state is State.CLOSED


def test_calls_older_than_the_window_are_forgotten():
    old = after(*[Call.SLOW] * 19)
    assert after(Call.SLOW, breaker=old, now_s=11.0).state is State.CLOSED


def test_the_callers_own_faults_do_not_count():
    assert after(*[Call.IGNORED] * 100) == Breaker()


def test_open_lets_nothing_through_and_one_probe_at_a_time():
    opened = after(*[Call.FAILED] * 5)
    assert not admits(opened, LIMITS, now_s=0.4, chance=0.0)
    assert begin_probe(opened, LIMITS, now_s=0.4) is None
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


def test_only_good_probes_in_a_row_close_it():
    nearly = probed(after(*[Call.FAILED] * 5), now_s=1.0, good=LIMITS.probes_good_min - 1)
    assert nearly.state is State.OPEN
    probing = begin_probe(nearly, LIMITS, now_s=1.0)
    assert probing is not None
    opened = end_probe(probing, LIMITS, good=False, now_s=1.0)
    assert probed(opened, now_s=5.0, good=2 * LIMITS.probes_good_min - 1).state is State.OPEN
    assert probed(opened, now_s=5.0, good=2 * LIMITS.probes_good_min).state is State.CLOSED


def test_once_closed_the_load_comes_back_by_doubling():
    closed = probed(after(*[Call.FAILED] * 5), now_s=1.0, good=LIMITS.probes_good_min)
    shares = [sum(admits(closed, LIMITS, now_s=1.0 + t, chance=n / 90) for n in range(90)) / 90 for t in range(5)]
    assert shares == [1 / 6, 1 / 3, 2 / 3, 1.0, 1.0]
    assert not record(closed, Call.GOOD, LIMITS, began_s=4.0, now_s=5.0).ramping


def test_a_night_without_calls_ends_the_ramp():
    closed = probed(after(*[Call.FAILED] * 5), now_s=1.0, good=LIMITS.probes_good_min)
    assert admits(closed, LIMITS, now_s=1e9, chance=0.999)
    assert not record(closed, Call.GOOD, LIMITS, began_s=1e9, now_s=1e9).ramping
