"""One stretch of time in figures: counts, a latency histogram and the extremes of what was looked at."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeAlias

from evershelf.contracts.admin_series import Spending
from evershelf.contracts.events import EventType
from evershelf.contracts.recommendations import Reason, Source

# Upper bounds of the latency histogram: each a quarter above the one before, so that a percentile is at most some 12 %
# off. The last stretch is everything beyond.
LATENCY_BOUNDS_MS: tuple[float, ...] = tuple(0.1 * 1.25**step for step in range(46))
LATENESS_BOUNDS_S: tuple[float, ...] = (1, 5, 30, 60, 300, 3_600, 86_400)
# Labels that callers or operators choose are bounded: what comes beyond this many in one bucket is counted as OTHER.
LABELS_MAX = 200
OTHER = "other"

Answered: TypeAlias = tuple[str, Source, Reason]  # placement, source, reason


@dataclass(slots=True)
class Spent:
    """Answers of one stretch of the histogram, and the sums of their times in milliseconds."""

    answers: int = 0
    total_ms: float = 0.0
    history_ms: float = 0.0
    inference_ms: float = 0.0

    def add(self, other: "Spent") -> None:
        """Takes in the answers of `other`."""
        self.answers += other.answers
        self.total_ms += other.total_ms
        self.history_ms += other.history_ms
        self.inference_ms += other.inference_ms


@dataclass(slots=True)
class Bucket:
    """What happened in one stretch of time. `latency` is sparse: by stretch of LATENCY_BOUNDS_MS."""

    answers: Counter[Answered] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)  # by placement, as the next three
    late: Counter[str] = field(default_factory=Counter)
    empty: Counter[str] = field(default_factory=Counter)
    late_or_empty: Counter[str] = field(default_factory=Counter)
    deadline_ms_sum: Counter[str] = field(default_factory=Counter)
    latency: dict[tuple[str, int], Spent] = field(default_factory=dict)
    items: Counter[Source] = field(default_factory=Counter)
    failed: int = 0
    events: Counter[EventType] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    unknown_items: int = 0
    lateness: list[int] = field(default_factory=lambda: [0] * (len(LATENESS_BOUNDS_S) + 1))
    dead: Counter[str] = field(default_factory=Counter)
    loop_lag_ms: float = 0.0
    in_flight: int = 0
    spool_pending: int = 0
    snapshot_age_s: float = 0.0

    def add(self, other: "Bucket") -> None:
        """Takes in a later bucket: counts add up, of gauges the highest stays."""
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for stretch, spent in other.latency.items():
            self.latency.setdefault(stretch, Spent()).add(spent)
        self.failed += other.failed
        self.unknown_items += other.unknown_items
        self.lateness = [mine + theirs for mine, theirs in zip(self.lateness, other.lateness, strict=True)]
        self.loop_lag_ms = max(self.loop_lag_ms, other.loop_lag_ms)
        self.in_flight = max(self.in_flight, other.in_flight)
        self.spool_pending = max(self.spool_pending, other.spool_pending)
        self.snapshot_age_s = max(self.snapshot_age_s, other.snapshot_age_s)

    def spent(self, placement: str | None) -> dict[int, Spent]:
        """The latency histogram of one placement, or of all."""
        chosen: dict[int, Spent] = {}
        for (name, stretch), spent in self.latency.items():
            if placement in {None, name}:
                chosen.setdefault(stretch, Spent()).add(spent)
        return chosen

    def count(self, placement: str | None, counter: Counter[str]) -> int:
        """One of the counters by placement: of one placement, or of all."""
        return counter.total() if placement is None else counter[placement]

    def answered(self, placement: str | None) -> Iterable[tuple[Answered, int]]:
        """The answers of one placement, or of all."""
        return ((label, count) for label, count in self.answers.items() if placement in {None, label[0]})


_COUNTERS = (
    "answers", "degraded", "late", "empty", "late_or_empty", "deadline_ms_sum", "items", "events", "rejects", "dead",
)  # fmt: skip


def percentile(spent: dict[int, Spent], share: float) -> float | None:
    """The latency in milliseconds that `share` of the answers stay below, interpolated; None for no answers."""
    found = _stretch(spent, share)
    if found is None:
        return None
    stretch, into = found
    low = LATENCY_BOUNDS_MS[stretch - 1] if stretch else 0.0
    high = LATENCY_BOUNDS_MS[stretch] if stretch < len(LATENCY_BOUNDS_MS) else _mean(spent[stretch])
    return round(low + (max(low, high) - low) * into, 3)


def spending(spent: dict[int, Spent], share: float) -> Spending | None:
    """Where the time of the answers around that percentile went; None for no answers."""
    found = _stretch(spent, share)
    if found is None:
        return None
    near = spent[found[0]]
    total, history, inference = (
        round(part / near.answers, 3) for part in (near.total_ms, near.history_ms, near.inference_ms)
    )
    return Spending(
        answers=near.answers,
        total_ms=total,
        history_ms=history,
        inference_ms=inference,
        compose_ms=round(max(0.0, total - history - inference), 3),
    )


def _stretch(spent: dict[int, Spent], share: float) -> tuple[int, float] | None:
    """The stretch of the histogram that holds the percentile, and how far into it (0..1) it lies."""
    stretches: Sequence[int] = sorted(spent)
    total = sum(spent[stretch].answers for stretch in stretches)
    if total == 0:
        return None
    wanted = share * total
    for stretch, below in zip(stretches, accumulate(spent[each].answers for each in stretches), strict=True):
        if below >= wanted:
            return stretch, 1 - (below - wanted) / spent[stretch].answers
    return stretches[-1], 1.0


def _mean(spent: Spent) -> float:
    return spent.total_ms / spent.answers
