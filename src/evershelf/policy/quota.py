"""Quotas: a token bucket a key. Tokens flow in evenly up to a bound; a request takes one, or is refused.

Source: Turner, New directions in communications, 1986: the leaky bucket as a meter.
"""

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Quota:
    """`per_s` requests a second over time, of which `burst_s` seconds' worth may come at once."""

    per_s: float
    burst_s: float

    @property
    def size(self) -> float:
        """The tokens of a full bucket, at least one."""
        return max(1.0, self.per_s * self.burst_s)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a key has left, as of a moment (monotonic seconds)."""

    tokens: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The bucket after a request, whether the request is allowed, and in how many whole seconds to ask again if not."""

    bucket: Bucket
    allowed: bool
    retry_after_s: int


def take(bucket: Bucket | None, quota: Quota, *, now_s: float) -> Verdict:
    """Takes one token, if there is one. None is a bucket that was never used: a full one. Time never flows back."""
    if bucket is None:
        tokens = quota.size
    else:
        tokens = min(quota.size, bucket.tokens + max(0.0, now_s - bucket.at_s) * quota.per_s)
    if tokens >= 1.0:
        return Verdict(Bucket(tokens - 1.0, now_s), allowed=True, retry_after_s=0)
    return Verdict(Bucket(tokens, now_s), allowed=False, retry_after_s=max(1, ceil((1.0 - tokens) / quota.per_s)))


def headers(bucket: Bucket, quota: Quota) -> tuple[tuple[bytes, bytes], ...]:
    """`RateLimit-Policy` and `RateLimit`: the quota, what is left of it, the seconds until all of it is back.

    Source: draft-ietf-httpapi-ratelimit-headers-10.
    """
    full_s = ceil((quota.size - bucket.tokens) / quota.per_s)
    return (
        (b"ratelimit-policy", b'"requests";q=%d;w=%d' % (quota.size, ceil(quota.size / quota.per_s))),
        (b"ratelimit", b'"requests";r=%d;t=%d' % (bucket.tokens, full_s)),
    )
