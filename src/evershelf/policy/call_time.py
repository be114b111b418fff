"""How long calls to one dependency take, and what a call's outcome and time say about the dependency's health."""

from dataclasses import dataclass

from evershelf.contracts.recommendations import TROUBLE, Reason
from evershelf.policy.breaker import Call

SAMPLES_MAX = 31
# An answer says nothing any more after so long: a dependency that was slow must be asked to be found well, and once it
# is, what it was before must not turn callers away.
FORGET_S = 3.0
# A caller that allows less than this many medians has itself to blame for a deadline missed.
FAIR_MEDIANS = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """How long a call took that was answered at `at_s` (monotonic)."""

    time_ms: float
    at_s: float


@dataclass(frozen=True, slots=True)
class CallTime:
    """The last calls that were answered, oldest first, and their median."""

    samples: tuple[Sample, ...] = ()
    median_ms: float = 0.0


def observed(times: CallTime, time_ms: float, *, now_s: float) -> CallTime:
    """The times with one more; at most SAMPLES_MAX are kept."""
    return _known((*times.samples[1 - SAMPLES_MAX :], Sample(time_ms, now_s)), now_s=now_s)


def p50_ms(times: CallTime, *, now_s: float) -> float:
    """Half of the calls of the last FORGET_S seconds took at most this long; 0 while nothing is known."""
    if times.samples and now_s - times.samples[0].at_s > FORGET_S:
        return _known(times.samples, now_s=now_s).median_ms
    return times.median_ms


def judge(outcome: Reason, *, elapsed_ms: float, p50_ms: float, slow_ms: float, patience_ms: float) -> Call:
    """What a call says about the other side.

    A deadline missed after `patience_ms` is a failure; sooner it is slowness at most, and the caller's own fault where
    it allowed less than twice what a call usually takes: one impatient caller must not take the model from all others.
    """
    if outcome in {Reason.OVERLOADED, Reason.NO_MODEL}:
        return Call.IGNORED
    if outcome is Reason.DEADLINE_EXCEEDED and elapsed_ms < patience_ms:
        return Call.SLOW if elapsed_ms >= FAIR_MEDIANS * p50_ms else Call.IGNORED
    if outcome in TROUBLE:
        return Call.FAILED
    return Call.SLOW if elapsed_ms > slow_ms else Call.GOOD


def _known(samples: tuple[Sample, ...], *, now_s: float) -> CallTime:
    """What these samples say, but for those that are too old."""
    if now_s - samples[0].at_s > FORGET_S:
        samples = tuple(sample for sample in samples if now_s - sample.at_s <= FORGET_S)
    times_ms = sorted([sample.time_ms for sample in samples])
    return CallTime(samples, times_ms[len(times_ms) // 2] if times_ms else 0.0)
