"""Quotas: never more than the rate allows over time, never less than what was promised."""

from hypothesis import given
from hypothesis import strategies as st

from evershelf.policy.quota import Bucket, Quota, headers, take

QUOTAS = st.builds(Quota, per_s=st.floats(0.01, 1_000), burst_s=st.floats(0.01, 60))
WAITS_S = st.lists(st.floats(0, 5), max_size=200)


@given(QUOTAS, WAITS_S)
def test_over_any_time_no_more_than_the_burst_and_the_rate_are_allowed(quota, waits_s):
    # Promise: however requests are spread, at most size + rate * time of them pass.
    bucket, now_s, allowed = None, 100.0, 0
    for wait_s in waits_s:
        now_s += wait_s
        verdict = take(bucket, quota, now_s=now_s)
        bucket, allowed = verdict.bucket, allowed + verdict.allowed
        assert 0 <= bucket.tokens <= quota.size
    assert allowed <= quota.size + quota.per_s * (now_s - 100.0) + 1e-6


@given(QUOTAS)
def test_who_waits_as_told_is_let_in(quota):
    # Promise: Retry-After is a promise, and no longer than needed (to the second).
    verdict = take(Bucket(0.0, 0.0), quota, now_s=0.0)
    assert not verdict.allowed
    assert take(verdict.bucket, quota, now_s=verdict.retry_after_s + 1e-6).allowed
    assert verdict.retry_after_s - 1 <= 1 / quota.per_s


@given(QUOTAS, st.floats(0, 10), st.floats(0, 10))
def test_a_clock_that_steps_back_gives_nothing(quota, tokens, back_s):
    # Promise: time that flows backwards fills no bucket.
    bucket = Bucket(min(tokens, quota.size), 100.0)
    assert take(bucket, quota, now_s=100.0 - back_s).bucket.tokens <= bucket.tokens


def test_the_headers_tell_quota_and_rest():
    # Promise: the fields of the draft, in whole requests and seconds.
    quota = Quota(per_s=2.0, burst_s=5.0)
    assert headers(Bucket(7.5, 0.0), quota) == (
        (b"ratelimit-policy", b'"requests";q=10;w=5'),
        (b"ratelimit", b'"requests";r=7;t=2'),
    )
