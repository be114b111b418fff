"""The adaptive bulkhead's promise: between its bounds always, down at once in trouble, up slowly when used."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from evershelf.policy.limiter import Bounds, Limiter, after_answers, after_congestion

BOUNDS = Bounds()


def test_a_limits_worth_of_answers_raises_it_by_one():
    limiter = Limiter(10.0)
    for _ in range(10):
        limiter = after_answers(limiter, BOUNDS, answers=1, in_flight=10)
    assert 10.9 < limiter.limit < 11.0


def test_a_limit_that_is_not_used_does_not_grow():
    assert after_answers(Limiter(20.0), BOUNDS, answers=1, in_flight=9) == Limiter(20.0)


def test_one_congestion_gives_many_signs_and_lowers_it_once():
    limiter = Limiter(64.0)
    for n in range(50):
        limiter = after_congestion(limiter, BOUNDS, now_s=n * BOUNDS.pause_s / 60)
    assert limiter.limit == 64.0 * BOUNDS.kept_share


def test_it_settles_near_what_the_other_side_can_take():
    # Promise: the sawtooth of AIMD stays between seven tenths of the capacity and the capacity.
    limiter, seen = Limiter(64.0), []
    for tick in range(20_000):
        now_s, in_flight = tick * 0.005, int(limiter.limit)
        if in_flight > 20:
            limiter = after_congestion(limiter, BOUNDS, now_s=now_s)
        else:
            limiter = after_answers(limiter, BOUNDS, answers=in_flight, in_flight=in_flight)
        seen.append(limiter.limit)
    assert 14.0 <= min(seen[1_000:]) <= max(seen[1_000:]) <= 22.0


class LimiterMachine(RuleBasedStateMachine):
    """Any stream of answers and trouble."""

    def __init__(self) -> None:
        super().__init__()
        self.limiter, self.now_s = Limiter(float(BOUNDS.limit_max)), 0.0

    @rule(answers=st.integers(1, 64), in_flight=st.integers(0, 64))
    def answered(self, answers: int, in_flight: int) -> None:
        before = self.limiter.limit
        self.limiter = after_answers(self.limiter, BOUNDS, answers=answers, in_flight=in_flight)
        assert before <= self.limiter.limit <= before + answers / before + 1e-9

    @rule(passed_s=st.floats(0, 1))
    def congested(self, passed_s: float) -> None:
        self.now_s += passed_s
        before = self.limiter.limit
        self.limiter = after_congestion(self.limiter, BOUNDS, now_s=self.now_s)
        assert before * BOUNDS.kept_share - 1e-9 <= self.limiter.limit <= before

    @invariant()
    def within_bounds(self) -> None:
        assert BOUNDS.limit_min <= self.limiter.limit <= BOUNDS.limit_max


TestLimiterMachine = LimiterMachine.TestCase


@given(st.floats(4, 64))
def test_from_anywhere_it_comes_back_to_full_within_seconds_of_use(limit):
    limiter, answers = Limiter(limit), 0
    while limiter.limit < BOUNDS.limit_max:
        limiter = after_answers(limiter, BOUNDS, answers=1, in_flight=int(limiter.limit))
        answers += 1
    assert answers <= 64 * 64
