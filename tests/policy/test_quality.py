"""The quality factor's promise: full without load, plainer with it, nothing when the loop's lag eats the budget."""

from hypothesis import given
from hypothesis import strategies as st

from evershelf.policy.quality import CANDIDATES_SPARE, candidates, quality, with_evidence

SHARES = st.floats(0, 3)


def test_without_load_everything_is_asked():
    full = quality(occupancy=0.3, lag_share=0.05)
    assert full == 1.0
    assert candidates(20, full, of_category=False) == 20 + CANDIDATES_SPARE
    assert with_evidence(full)


def test_under_full_load_the_answer_is_plain_but_still_the_models():
    plain = quality(occupancy=1.0, lag_share=0.0)
    assert 0.0 < plain < 0.5
    assert candidates(20, plain, of_category=False) < 25
    assert not with_evidence(plain)


def test_a_lag_of_the_whole_budget_leaves_the_baseline():
    assert quality(occupancy=0.0, lag_share=1.0) == 0.0


@given(SHARES, SHARES, SHARES, SHARES)
def test_it_is_continuous_bounded_and_never_rises_with_load(occupancy, lag_share, more, later):
    here = quality(occupancy=occupancy, lag_share=lag_share)
    assert 0.0 <= here <= 1.0
    assert quality(occupancy=occupancy + more, lag_share=lag_share + later) <= here
    assert abs(quality(occupancy=occupancy + 1e-6, lag_share=lag_share + 1e-6) - here) < 1e-4
