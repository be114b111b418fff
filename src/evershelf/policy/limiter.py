"""The adaptive bulkhead: how many questions one dependency may have in hand, found by adding and multiplying.

Additive increase, multiplicative decrease (Chiu and Jain, 1989): each limit's worth of good answers raises the limit by
one, as long as it is used; each sign of congestion - a deadline missed, a wait for a slot that took too long, 429 or
503 - lowers it by a share. One congestion gives many signs, so it is lowered once in `pause_s` at most.
"""

from dataclasses import dataclass

UNUSED_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which figures the limit moves, and how fast it gives way."""

    limit_min: int = 4
    limit_max: int = 64
    kept_share: float = 0.7
    pause_s: float = 0.1


@dataclass(frozen=True, slots=True)
class Limiter:
    """The limit, and when (monotonic seconds) it was last lowered."""

    limit: float
    lowered_at_s: float | None = None


def after_answers(limiter: Limiter, bounds: Bounds, *, answers: int, in_flight: int) -> Limiter:
    """The limiter after good answers. A limit that is far from used says nothing about a higher one."""
    if in_flight < UNUSED_SHARE * limiter.limit:
        return limiter
    return Limiter(min(bounds.limit_max, limiter.limit + answers / limiter.limit), limiter.lowered_at_s)


def after_congestion(limiter: Limiter, bounds: Bounds, *, now_s: float) -> Limiter:
    """The limiter after a sign of congestion."""
    if limiter.lowered_at_s is not None and now_s - limiter.lowered_at_s < bounds.pause_s:
        return limiter
    return Limiter(max(bounds.limit_min, limiter.limit * bounds.kept_share), now_s)
