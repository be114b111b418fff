"""The retry budget's promise (G15): however badly it goes, retries stay within a tenth of the calls."""

from hypothesis import given
from hypothesis import strategies as st

from evershelf.policy.retries import RETRIES_PER_CALL, RetryBudget, after_call, spend


@given(st.lists(st.booleans(), max_size=500))
def test_retries_stay_within_a_tenth_of_the_calls(fails):
    budget, calls, retries = RetryBudget(), 0, 0
    for failed in fails:
        budget, calls = after_call(budget), calls + 1
        if failed and (spent := spend(budget)) is not None:
            budget, retries = spent, retries + 1
        assert retries <= calls * RETRIES_PER_CALL + 1e-9
