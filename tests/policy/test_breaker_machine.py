"""The breaker under any sequence of calls, probes, operators and time: bounded, safe, and never without a way back."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

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
POLL_S = 0.05


class BreakerMachine(RuleBasedStateMachine):
    """Whatever happens to a breaker; `permit_until_s` is when the probe that is out loses its permit."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now_s = 1_000.0
        self.permit_until_s = 0.0

    @rule(call=st.sampled_from(Call), age_s=st.floats(0, 3))
    def call_ends(self, call: Call, age_s: float) -> None:
        before = self.breaker
        self.breaker = record(before, call, LIMITS, began_s=self.now_s - age_s, now_s=self.now_s)
        if before.state is not State.CLOSED or call is Call.IGNORED:
            assert self.breaker == before

    @rule(passed_s=st.floats(0, 5))
    def time_passes(self, passed_s: float) -> None:
        self.now_s += passed_s

    @rule()
    def probe_begins(self) -> None:
        probing = begin_probe(self.breaker, LIMITS, now_s=self.now_s)
        if probing is not None:
            # One probe at a time, unless the last one never reported back.
            assert self.now_s >= self.permit_until_s or self.breaker.state is not State.HALF_OPEN
            assert probing.state is State.HALF_OPEN
            self.breaker, self.permit_until_s = probing, probing.until_s

    @rule(good=st.booleans())
    def probe_ends(self, *, good: bool) -> None:
        before = self.breaker
        self.breaker = end_probe(before, LIMITS, good=good, now_s=self.now_s)
        if before.state is not State.HALF_OPEN:
            assert self.breaker == before
        elif not good:
            assert self.breaker.state is State.OPEN
            assert LIMITS.wait_s_min <= self.breaker.until_s - self.now_s <= LIMITS.wait_s_max

    @invariant()
    def nothing_passes_unless_closed(self) -> None:
        if self.breaker.state is not State.CLOSED:
            assert not admits(self.breaker, LIMITS, now_s=self.now_s, chance=0.0)

    @invariant()
    def it_stays_small(self) -> None:
        assert len(self.breaker.buckets) <= LIMITS.window_s
        assert self.breaker.consecutive_failures < LIMITS.consecutive_failures_max
        assert self.breaker.probes_good < LIMITS.probes_good_max

    @invariant()
    def all_calls_pass_again_within_5_s_of_good_health(self) -> None:
        breaker, healed_s = self.breaker, self.now_s
        now_s = healed_s
        while now_s < healed_s + 5.0:
            probing = begin_probe(breaker, LIMITS, now_s=now_s)
            now_s += POLL_S
            if probing is not None:
                breaker = end_probe(probing, LIMITS, good=True, now_s=now_s)
        assert admits(breaker, LIMITS, now_s=now_s, chance=0.999)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
