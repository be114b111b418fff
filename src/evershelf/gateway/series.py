"""The gateway's own last day in memory: fine buckets for an hour, coarse ones for a day, states and marks over time."""

import asyncio
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from evershelf.contracts.admin_series import MARKS_MAX, Lane, LaneState, Mark, MarkKind
from evershelf.contracts.events import Event, EventResult, EventStatus
from evershelf.contracts.recommendations import Source
from evershelf.gateway.ask import Decided
from evershelf.gateway.outside import Clock
from evershelf.gateway.series_bucket import LABELS_MAX, LATENCY_BOUNDS_MS, LATENESS_BOUNDS_S, OTHER, Bucket, Spent
from evershelf.policy.compose import Composed
from evershelf.policy.intake import ACCEPTED

FINE_S = 5
FINE_BUCKETS_MAX = 720
COARSE_S = 60
COARSE_BUCKETS_MAX = 1_440
STRETCHES_MAX = 500
# Of a fine bucket's model answers; two versions that share the traffic evenly take no turns.
LEADING_SHARE = 2 / 3
# So many buckets are added up before other requests get their turn on the event loop: about a millisecond.
BUCKETS_A_TURN = 40
_EVENT_FIELDS = frozenset(Event.model_fields)


@dataclass(frozen=True, slots=True)
class Window:
    """Buckets of equal length that follow each other; `times_s` are their beginnings in Unix seconds."""

    now_s: float
    began_s: float
    step_s: int
    times_s: list[int]
    steps: list[Bucket]
    whole: Bucket


class Series:
    """Told on the event loop of what happens, in a few microseconds each; forgets what is older than a day.

    Buckets are counted by the monotonic clock, which no one sets; their times follow from the wall clock at the start.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.began_s = clock.unix_s()
        self._offset_s = self.began_s - clock.monotonic_s()
        self._fine: dict[int, Bucket] = {}
        self._coarse: dict[int, Bucket] = {}
        self._newest = 0
        self._lanes: dict[str, deque[tuple[str, float]]] = {}
        self._lanes_dropped: dict[str, int] = {}
        self.marks: deque[Mark] = deque(maxlen=MARKS_MAX)
        self.last_served_s: dict[Source, float] = {}
        self.rehearsals: dict[Source, tuple[float, int]] = {}  # when, and how many items it had
        self.model_version: str | None = None  # of the last answer that a model gave
        self._models: Counter[str] = Counter()  # answers of each in the fine bucket of this moment
        self._leading: str | None = None
        self.mark(MarkKind.STARTED, "gateway started")

    @property
    def now_s(self) -> float:
        """Unix seconds, by a clock that never steps."""
        return self._clock.monotonic_s() + self._offset_s

    @property
    def current(self) -> Bucket:
        """The bucket of this moment."""
        index = int(self.now_s) // FINE_S
        if (bucket := self._fine.get(index)) is None:
            bucket = self._turn_to(index)
        return bucket

    def answered(self, decided: Decided, elapsed_ms: float) -> None:
        """A recommendation was composed."""
        spent = self.counted(decided.ask.placement.name, decided.composed, decided.ask.deadline_ms, elapsed_ms)
        spent.history_ms += decided.history_ms
        spent.inference_ms += decided.inference_ms

    def counted(self, name: str, composed: Composed, deadline_ms: int, elapsed_ms: float) -> Spent:
        """As `answered`, for an answer at the placement `name` that was made before; returns where its time adds."""
        bucket = self.current
        placement = self._bounded(bucket, name)
        bucket.answers[placement, composed.source, composed.reason] += 1
        bucket.deadline_ms_sum[placement] += deadline_ms
        if composed.degraded:
            bucket.degraded[placement] += 1
        late, empty = elapsed_ms > deadline_ms, not composed.candidates
        if late or empty:
            bucket.late[placement] += late
            bucket.empty[placement] += empty
            bucket.late_or_empty[placement] += 1
        stretch = placement, bisect_left(LATENCY_BOUNDS_MS, elapsed_ms)
        if (spent := bucket.latency.get(stretch)) is None:
            spent = bucket.latency[stretch] = Spent()
        spent.answers += 1
        spent.total_ms += elapsed_ms
        for attempt in composed.attempts:
            if attempt.items:
                bucket.items[attempt.source] += attempt.items
                self.last_served_s[attempt.source] = self.now_s
        if composed.model_version is not None:
            self.model_version = composed.model_version
            self._models[composed.model_version] += 1
        return spent

    def reported(self, events: Iterable[tuple[Event, EventStatus]], results: Iterable[EventResult]) -> None:
        """A batch was answered: `events` are the sound ones, each with its fate, `results` the answers to all."""
        bucket, now_s = self.current, self._clock.unix_s()
        for result in results:
            if result.status not in ACCEPTED:
                bucket.rejects[_reject(result)] += 1
        for event, status in events:
            if status in ACCEPTED:
                bucket.unknown_items += status is EventStatus.ACCEPTED_UNKNOWN_ITEM
                bucket.events[event.event_type] += 1
                bucket.lateness[bisect_left(LATENESS_BOUNDS_S, now_s - event.occurred_at.timestamp())] += 1

    def rehearsed(self, rung: Source, items: int) -> None:
        """A rung was asked by itself, and had so many items to offer."""
        self.rehearsals[rung] = self.now_s, items

    def proven_age_s(self, rung: Source) -> float:
        """Since when nobody knows that the rung works: since it last served, or had something in a rehearsal."""
        rehearsed_s, items = self.rehearsals.get(rung, (-inf, 0))
        return self.now_s - max(self.last_served_s.get(rung, -inf), rehearsed_s if items else -inf)

    def mark(self, kind: MarkKind, label: str) -> None:
        """Something worth a line across all lanes happened now."""
        self.marks.append(Mark(at_s=round(self.now_s, 3), kind=kind, label=label))

    def enter(self, lane: str, state: str) -> None:
        """A dependency or breaker is in this state now; nothing new if it was before."""
        stretches = self._lanes.setdefault(lane, deque(maxlen=STRETCHES_MAX))
        if stretches and stretches[-1][0] == state:
            return
        if len(stretches) == STRETCHES_MAX:
            self._lanes_dropped[lane] = self._lanes_dropped.get(lane, 0) + 1
        stretches.append((state, self.now_s))

    def lanes(self, since_s: float) -> list[Lane]:
        """Every lane's stretches that reach beyond `since_s`."""
        return [self._lane(name, list(entered), since_s) for name, entered in self._lanes.items()]

    def marks_since(self, since_s: float) -> list[Mark]:
        """Marks since then, oldest first."""
        return [mark for mark in self.marks if mark.at_s >= since_s]

    async def window(self, window_s: int, points_max: int) -> Window:
        """The last `window_s` seconds in at most `points_max` steps and their sum; others get their turns meanwhile."""
        unit_s = FINE_S if window_s <= FINE_S * FINE_BUCKETS_MAX else COARSE_S
        self.current  # noqa: B018 - turns to this moment, so that what is past lies in the coarse buckets
        buckets = self._fine if unit_s == FINE_S else self._coarse | self._unfolded()
        step_s = unit_s * -(-window_s // (unit_s * points_max))
        now_s = self.now_s
        end = int(now_s) // step_s * step_s + step_s
        times_s = list(range(end - -(-window_s // step_s) * step_s, end, step_s))
        steps, whole = [Bucket() for _ in times_s], Bucket()
        found = [(index * unit_s, bucket) for index, bucket in buckets.items() if times_s[0] <= index * unit_s < end]
        adding = [(steps[(begin_s - times_s[0]) // step_s], bucket) for begin_s, bucket in found]
        for turn, (into, bucket) in enumerate([*adding, *((whole, step) for step in steps)], start=1):
            into.add(bucket)
            if turn % BUCKETS_A_TURN == 0:
                await asyncio.sleep(0)
        return Window(now_s, self.began_s, step_s, times_s, steps, whole)

    def _turn_to(self, index: int) -> Bucket:
        """Begins a new fine bucket and folds the last one into its coarse one."""
        self._mark_leader()
        if self._fine:
            folded = self._newest * FINE_S // COARSE_S
            if folded not in self._coarse:
                self._coarse[folded] = Bucket()
                _forget(self._coarse, COARSE_BUCKETS_MAX)
            self._coarse[folded].add(self._fine[self._newest])
        self._newest = index
        bucket = self._fine[index] = Bucket()
        _forget(self._fine, FINE_BUCKETS_MAX)
        return bucket

    def _mark_leader(self) -> None:
        """A version that gave most of the last bucket's model answers leads; a canary's few are no change of model."""
        for version, answers in self._models.most_common(1):
            if version != self._leading and answers >= LEADING_SHARE * self._models.total():
                self._leading = version
                self.mark(MarkKind.MODEL, version)
        self._models.clear()

    def _unfolded(self) -> dict[int, Bucket]:
        """The coarse bucket of this moment, with the fine one that is still filling."""
        index = self._newest * FINE_S // COARSE_S
        bucket = Bucket()
        for part in (self._coarse.get(index), self._fine.get(self._newest)):
            if part is not None:
                bucket.add(part)
        return {index: bucket}

    def _bounded(self, bucket: Bucket, placement: str) -> str:
        known = bucket.deadline_ms_sum
        return placement if placement in known or len(known) < LABELS_MAX else OTHER

    def _lane(self, name: str, entered: list[tuple[str, float]], since_s: float) -> Lane:
        untils = [*(at_s for _, at_s in entered[1:]), None]
        return Lane(
            name=name,
            state=entered[-1][0],
            stretches=[
                LaneState(state=state, since_s=round(at_s, 3), until_s=None if until_s is None else round(until_s, 3))
                for (state, at_s), until_s in zip(entered, untils, strict=True)
                if until_s is None or until_s >= since_s
            ],
            dropped=self._lanes_dropped.get(name, 0),
        )


def _forget(buckets: dict[int, Bucket], most: int) -> None:
    while len(buckets) > most:
        del buckets[next(iter(buckets))]


def _reject(result: EventResult) -> str:
    """The status, and for an invalid event the field that was wrong: a name of ours, never of the sender's choosing."""
    if result.status is not EventStatus.REJECTED_INVALID:
        return result.status.value
    claimed = (result.detail or "").partition(":")[0].partition(".")[0]
    return f"{result.status.value}:{claimed if claimed in _EVENT_FIELDS else OTHER}"
