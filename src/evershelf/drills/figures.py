"""Figures of a phase of a run: counts and percentiles of judged answers. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from evershelf.drills.answers import Mishap
from evershelf.drills.judge import LATE_MS, NEVER_LATER_MS, Fault, Verdict, percentile
from evershelf.drills.plan import Ask


@dataclass(frozen=True, slots=True)
class Figures:
    """What callers got. Latencies count from the scheduled send time; lags are the generator's own lateness."""

    requests: int
    seconds: float
    exceptions: dict[str, int]
    statuses: dict[int, int]
    faults: dict[str, int]
    late: int  # later than the budget and 10 ms
    far_too_late: int  # later than the budget and 50 ms
    asked_again: int
    sources: dict[str, int]
    reasons: dict[str, int]
    degraded: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    lag_p999_ms: float
    lag_max_ms: float
    late_p999_ms: float = field(default=0.0)  # beyond the budget; negative: in time

    @property
    def wrong(self) -> int:
        """Requests that got no answer or an invalid one."""
        return sum(self.exceptions.values()) + sum(self.faults.values())

    @property
    def in_time(self) -> int:
        """Valid answers not later than the budget and 10 ms."""
        return max(0, self.requests - self.wrong - self.late)

    @property
    def goodput_per_s(self) -> float:
        """Valid answers in time, a second."""
        return self.in_time / self.seconds if self.seconds else 0.0

    @property
    def model_share(self) -> float:
        """Share of the requests that the model answered."""
        return self.sources.get("model", 0) / self.requests if self.requests else 0.0


def figures(verdicts: Sequence[Verdict], asks: Sequence[Sequence[Ask]], *, seconds: float) -> Figures:
    """Counts one phase."""
    answered = [verdict for verdict in verdicts if verdict.answer.mishap is Mishap.NONE]
    latencies = sorted(verdict.answer.latency_ms for verdict in answered)
    beyond = sorted(_beyond_ms(verdict, asks) for verdict in answered)
    lags = sorted((verdict.answer.sent_s - verdict.answer.due_s) * 1_000 for verdict in verdicts)
    told = [verdict for verdict in verdicts if verdict.source is not None and verdict.reason is not None]
    return Figures(
        requests=len(verdicts),
        seconds=seconds,
        exceptions=_counted(v.answer.mishap.name for v in verdicts if v.answer.mishap is not Mishap.NONE),
        statuses=dict(Counter(verdict.answer.status for verdict in answered)),
        faults=_counted(fault for verdict in verdicts for fault in verdict.faults if fault is not Fault.EXCEPTION),
        late=sum(each > LATE_MS for each in beyond),
        far_too_late=sum(each > NEVER_LATER_MS for each in beyond),
        asked_again=sum(verdict.answer.attempts > 1 for verdict in verdicts),
        sources=_counted(str(verdict.source) for verdict in told),
        reasons=_counted(str(verdict.reason) for verdict in told),
        degraded=sum(verdict.degraded for verdict in told),
        p50_ms=percentile(latencies, 0.5),
        p99_ms=percentile(latencies, 0.99),
        p999_ms=percentile(latencies, 0.999),
        max_ms=percentile(latencies, 1.0),
        lag_p999_ms=percentile(lags, 0.999),
        lag_max_ms=percentile(lags, 1.0),
        late_p999_ms=percentile(beyond, 0.999),
    )


def model_shares(verdicts: Iterable[Verdict], *, from_s: float, windows: int) -> list[float]:
    """Of each second from `from_s` on, the share of answers that the model gave; -1 for a second without any."""
    total: Counter[int] = Counter()
    model: Counter[int] = Counter()
    for verdict in verdicts:
        second = int(verdict.answer.due_s - from_s)
        if verdict.answer.due_s >= from_s:
            total[second] += 1
            model[second] += verdict.is_model
    return [model[second] / total[second] if total[second] else -1.0 for second in range(windows)]


def seconds_until(shares: Sequence[float], threshold: float) -> float | None:
    """The end of the first second whose share reached the threshold; None if none did."""
    return next((float(second + 1) for second, share in enumerate(shares) if share >= threshold), None)


def _beyond_ms(verdict: Verdict, asks: Sequence[Sequence[Ask]]) -> float:
    return verdict.answer.latency_ms - asks[verdict.answer.stream][verdict.answer.ask].budget_ms


def _counted(names: Iterable[str]) -> dict[str, int]:
    return {str(name): count for name, count in Counter(names).most_common()}
