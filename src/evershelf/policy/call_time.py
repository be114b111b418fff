"""How long calls to one dependency take, and what a call's outcome and time say about the dependency's health."""

from dataclasses import dataclass

from evershelf.contracts.recommendations import TROUBLE, Reason
from evershelf.policy.breaker import Call

SAMPLES_MAX = 31
# Without an answer for so long nothing is known any more: a dependency that was slow must be asked to be found well.
FORGET_S = 3.0
# A caller that allows less than this many medians has itself to blame for a deadline missed.
FAIR_MEDIANS = 2.0


@dataclass(frozen=True, slots=True)
class CallTime:
    """The times (ms) of the last calls that were answered, and their median."""

    samples_ms: tuple[float, ...] = ()
    median_ms: float = 0.0
    seen_s: float = 0.0


def observed(times: CallTime, time_ms: float, *, now_s: float) -> CallTime:
    """The times with one more; at most SAMPLES_MAX are kept."""
    samples_ms = (*times.samples_ms[1 - SAMPLES_MAX :], time_ms)
    return CallTime(samples_ms, sorted(samples_ms)[len(samples_ms) // 2], now_s)


def p50_ms(times: CallTime, *, now_s: float) -> float:
    """Half of the calls take at most this long; 0 while nothing is known."""
    return times.median_ms if now_s - times.seen_s <= FORGET_S else 0.0


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
