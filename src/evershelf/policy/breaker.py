"""The circuit breaker: stops calling what fails, finds out with one probe at a time, and comes back gently.

A pure state machine: every function takes a breaker and the time (monotonic seconds) and returns the next breaker.
Closed it counts calls in one-second buckets; it opens on consecutive hard failures or on a share of failed and slow
calls. Open, it lets nothing through; once the wait is over probes are made off the request path, one at a time, until
enough of them went well in a row. After closing again the admitted share doubles every second, so that what has just
come back is not run over.

The figures are chosen together (guarantee G17). At worst the other side is well again just after a probe was lost in
silence: 0.5 s until it is given up, a wait of 0.75 s, nine probes 50 ms apart, and a ramp from a sixth, which lets 90 %
of a second through from 2.1 s on. Together that is less than 4 s, so that of the fifth second 90 % are the model's.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

RAMP_S_MAX = 60.0


class State(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"  # a probe is on its way


class Call(StrEnum):
    """How a call ended, as far as the health of the other side goes."""

    GOOD = "good"
    SLOW = "slow"  # an answer that took too long, or none before a short deadline
    FAILED = "failed"  # refused, reset, an error, an answer that breaks the contract, silence
    IGNORED = "ignored"  # the caller's own fault, the caller went away, or too much was asked (the limiter's business)


@dataclass(frozen=True, slots=True)
class Limits:
    """When to open, how long to wait, how to come back."""

    window_s: int = 10
    consecutive_failures_max: int = 5
    calls_min: int = 20
    bad_share_max: float = 0.5  # failed and slow ones together
    failed_calls_min: int = 40  # a smaller share needs more calls to be told from chance
    failed_share_max: float = 0.25
    wait_s_min: float = 0.5
    wait_s_max: float = 0.75
    probe_s_max: float = 1.0
    # Good ones in a row that close it, for each time it opened of late: one says little about what fails at times.
    probes_good_min: int = 3
    probes_good_max: int = 9
    ramp_share: float = 1 / 6


@dataclass(frozen=True, slots=True)
class Bucket:
    """The calls that ended within one second."""

    second: int
    calls: int = 0
    bad: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Breaker:
    """Where a breaker stands; `since_s` is when it came to this state."""

    state: State = State.CLOSED
    since_s: float = 0.0
    buckets: tuple[Bucket, ...] = ()
    consecutive_failures: int = 0
    openings: int = 0  # since it last stayed closed; lengthens the wait
    probes_good: int = 0  # in a row
    until_s: float = 0.0  # open: next probe due; half open: the probe's permit ends
    ramping: bool = False


def admits(breaker: Breaker, limits: Limits, *, now_s: float, chance: float) -> bool:
    """Whether a call may go through; `chance` is drawn evenly from [0, 1) and decides while the load comes back."""
    if breaker.state is not State.CLOSED:
        return False
    return not breaker.ramping or chance < _ramp_share(breaker, limits, now_s=now_s)


def record(breaker: Breaker, call: Call, limits: Limits, *, began_s: float, now_s: float) -> Breaker:
    """The breaker after a call ended. One that was begun before it last closed says nothing new."""
    if breaker.state is not State.CLOSED or call is Call.IGNORED or began_s < breaker.since_s:
        return breaker
    buckets = _counted(breaker.buckets, limits, call, second=int(now_s))
    failures = breaker.consecutive_failures + 1 if call is Call.FAILED else 0
    after = replace(breaker, buckets=buckets, consecutive_failures=failures)
    # A good call opens nothing, though it may be the one that makes calls enough to tell: what was bad may be over.
    if failures >= limits.consecutive_failures_max or (call is not Call.GOOD and _mostly_bad(buckets, limits)):
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
    """The breaker after its probe: the next one due at once, closed with a ramp, or open for longer than before."""
    if breaker.state is not State.HALF_OPEN:
        return breaker
    if not good:
        return _opened(breaker, limits, now_s=now_s)
    if breaker.probes_good + 1 < min(limits.probes_good_min * breaker.openings, limits.probes_good_max):
        return replace(breaker, state=State.OPEN, until_s=now_s, probes_good=breaker.probes_good + 1)
    return Breaker(State.CLOSED, since_s=now_s, openings=breaker.openings, ramping=True)


def _ramp_share(breaker: Breaker, limits: Limits, *, now_s: float) -> float:
    # Capped before the power is taken: after 1,024 s without a call it would be no float any more.
    doublings: float = 2.0 ** min(now_s - breaker.since_s, RAMP_S_MAX)
    return min(1.0, limits.ramp_share * doublings)


def _opened(breaker: Breaker, limits: Limits, *, now_s: float) -> Breaker:
    wait_s = min(limits.wait_s_max, limits.wait_s_min * 2.0 ** min(breaker.openings, 16))
    return Breaker(State.OPEN, since_s=now_s, openings=breaker.openings + 1, until_s=now_s + wait_s)


def _counted(buckets: tuple[Bucket, ...], limits: Limits, call: Call, *, second: int) -> tuple[Bucket, ...]:
    older = tuple(bucket for bucket in buckets if second - limits.window_s < bucket.second < second)
    newest = next((bucket for bucket in buckets if bucket.second == second), Bucket(second))
    bad, failed = newest.bad + (call is not Call.GOOD), newest.failed + (call is Call.FAILED)
    return (*older, Bucket(second, newest.calls + 1, bad, failed))


def _mostly_bad(buckets: tuple[Bucket, ...], limits: Limits) -> bool:
    """Whether any of the newest seconds, up to all of the window, were bad enough and held enough calls to tell.

    All of the window alone would take as long to see a fault as the good time before it had lasted.
    """
    calls = bad = failed = 0
    for bucket in reversed(buckets):
        calls, bad, failed = calls + bucket.calls, bad + bucket.bad, failed + bucket.failed
        if calls >= limits.calls_min and bad >= limits.bad_share_max * calls:
            return True
        if calls >= limits.failed_calls_min and failed >= limits.failed_share_max * calls:
            return True
    return False
