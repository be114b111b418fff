"""The circuit breaker: stops calling what fails, finds out with one probe at a time, and comes back gently.

A pure state machine: every function takes a breaker and the time (monotonic seconds) and returns the next breaker.
Closed it counts calls in one-second buckets; it opens on consecutive hard failures or on a share of failed and slow
calls. Open, it lets nothing through; once the wait is over one probe, made off the request path, decides. After closing
again the admitted share doubles every second, so that what has just come back is not run over.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

RAMP_S_MAX = 60.0


class State(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"  # a probe is on its way
    FORCED_OPEN = "forced_open"  # by an operator, until it expires


class Call(StrEnum):
    """How a call ended, as far as the health of the other side goes."""

    GOOD = "good"
    SLOW = "slow"  # no answer before the deadline, or one that took too long
    FAILED = "failed"  # refused, reset, an error, an answer that breaks the contract
    IGNORED = "ignored"  # the caller's own fault, or the caller went away


@dataclass(frozen=True, slots=True)
class Limits:
    """When to open, how long to wait, how to come back."""

    window_s: int = 10
    consecutive_failures_max: int = 5
    calls_min: int = 20
    bad_share_max: float = 0.5
    wait_s_min: float = 1.0
    wait_s_max: float = 2.0
    probe_s_max: float = 2.0
    ramp_share: float = 0.1


@dataclass(frozen=True, slots=True)
class Bucket:
    """The calls that ended within one second."""

    second: int
    calls: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Breaker:
    """Where a breaker stands; `since_s` is when it came to this state."""

    state: State = State.CLOSED
    since_s: float = 0.0
    buckets: tuple[Bucket, ...] = ()
    consecutive_failures: int = 0
    openings: int = 0  # since it last stayed closed; lengthens the wait
    until_s: float = 0.0  # open: next probe due; half open: the probe's permit ends; forced: it expires
    ramping: bool = False


def admits(breaker: Breaker, limits: Limits, *, now_s: float, chance: float) -> bool:
    """Whether a call may go through; `chance` is drawn evenly from [0, 1) and decides while the load comes back."""
    if breaker.state is not State.CLOSED:
        return False
    return not breaker.ramping or chance < _ramp_share(breaker, limits, now_s=now_s)


def record(breaker: Breaker, call: Call, limits: Limits, *, now_s: float) -> Breaker:
    """The breaker after a call ended. What ends while it is not closed was begun before and says nothing new."""
    if breaker.state is not State.CLOSED or call is Call.IGNORED:
        return breaker
    buckets = _counted(breaker.buckets, limits, second=int(now_s), bad=call is not Call.GOOD)
    failures = breaker.consecutive_failures + 1 if call is Call.FAILED else 0
    after = replace(breaker, buckets=buckets, consecutive_failures=failures)
    if failures >= limits.consecutive_failures_max or _mostly_bad(buckets, limits):
        return _opened(after, limits, now_s=now_s)
    if breaker.ramping and _ramp_share(breaker, limits, now_s=now_s) >= 1.0:
        return replace(after, ramping=False, openings=0)
    return after


def begin_probe(breaker: Breaker, limits: Limits, *, now_s: float) -> Breaker | None:
    """The breaker with the one probe's permit taken, or None when no probe is due.

    A permit expires: a probe that never reports back cannot keep the breaker open.
    """
    if breaker.state is State.CLOSED or now_s < breaker.until_s:
        return None
    return replace(breaker, state=State.HALF_OPEN, until_s=now_s + limits.probe_s_max)


def end_probe(breaker: Breaker, limits: Limits, *, good: bool, now_s: float) -> Breaker:
    """The breaker after its probe: closed with a ramp, or open for longer than before."""
    if breaker.state is not State.HALF_OPEN:
        return breaker
    if not good:
        return _opened(breaker, limits, now_s=now_s)
    return Breaker(State.CLOSED, since_s=now_s, openings=breaker.openings, ramping=True)


def force_open(breaker: Breaker, *, now_s: float, seconds: float) -> Breaker:
    """The breaker as an operator wants it: open for `seconds`, then decided by a probe."""
    return replace(breaker, state=State.FORCED_OPEN, since_s=now_s, until_s=now_s + seconds, buckets=())


def _ramp_share(breaker: Breaker, limits: Limits, *, now_s: float) -> float:
    # Capped before the power is taken: after 1,024 s without a call it would be no float any more.
    doublings: float = 2.0 ** min(now_s - breaker.since_s, RAMP_S_MAX)
    return min(1.0, limits.ramp_share * doublings)


def _opened(breaker: Breaker, limits: Limits, *, now_s: float) -> Breaker:
    wait_s = min(limits.wait_s_max, limits.wait_s_min * 2.0 ** min(breaker.openings, 16))
    return Breaker(State.OPEN, since_s=now_s, openings=breaker.openings + 1, until_s=now_s + wait_s)


def _counted(buckets: tuple[Bucket, ...], limits: Limits, *, second: int, bad: bool) -> tuple[Bucket, ...]:
    older = tuple(bucket for bucket in buckets if second - limits.window_s < bucket.second < second)
    newest = next((bucket for bucket in buckets if bucket.second == second), Bucket(second))
    return (*older, Bucket(second, newest.calls + 1, newest.bad + bad))


def _mostly_bad(buckets: tuple[Bucket, ...], limits: Limits) -> bool:
    calls, bad = sum(bucket.calls for bucket in buckets), sum(bucket.bad for bucket in buckets)
    return calls >= limits.calls_min and bad >= limits.bad_share_max * calls
