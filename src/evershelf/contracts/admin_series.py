"""What the gateway remembers of its own last day: traffic, latency, dependencies, events, as series for the console."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from evershelf.contracts.events import EventType
from evershelf.contracts.health import DependencyState
from evershelf.contracts.recommendations import Reason, Source

WINDOW_S_MIN = 60
WINDOW_S_MAX = 86_400
POINTS_MAX = 720
MARKS_MAX = 200


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Timeline(_Told):
    """The x axis that all series of one answer share: `times_s` (Unix seconds) are the beginnings of steps.

    `began_s` is when this gateway began to remember: nothing is known from before. The last step is still filling.
    """

    now_s: float
    began_s: float
    step_s: int
    times_s: list[int]


class Latency(_Told):
    """Percentiles of one step, milliseconds from the request read to the answer composed; None where none was given."""

    p50_ms: list[float | None]
    p95_ms: list[float | None]
    p99_ms: list[float | None]


class LatencyTotals(_Told):
    """The same over the whole window."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    deadline_ms: float | None  # the mean of what callers allowed


class ErrorBudget(_Told):
    """Of the answers in the window so many may be late, empty or failed (`allowed`), and so many were (`spent`)."""

    objective_share: float
    answers: int
    allowed: float
    spent: int
    left_share: float  # 1: nothing spent; below 0: overspent


class OverviewTotals(_Told):
    """The window in figures."""

    answers: int
    valid_in_time: int
    valid_in_time_share: float | None
    late: int
    empty: int
    failed: int  # requests that met a bug of ours and were answered 500
    degraded: int
    degraded_share: float | None
    by_source: dict[Source, int]
    by_reason: dict[Reason, int]
    by_placement: dict[str, int]
    latency: LatencyTotals


class Overview(_Told):
    """Whether the promise is kept: answers by source, reason and placement, in time, against the deadline."""

    timeline: Timeline
    placements: list[str]  # that answered in the window; `placement` of the request picks one
    totals: OverviewTotals
    error_budget: ErrorBudget
    answers: list[int]
    valid_in_time: list[int]
    degraded: list[int]
    by_source: dict[Source, list[int]]
    by_reason: dict[Reason, list[int]]
    by_placement: dict[str, list[int]]
    latency: Latency
    deadline_ms: list[float | None]


class LaneState(_Told):
    """A stretch of a lane: from `since_s` until `until_s` (None: still) it was in this state."""

    state: str
    since_s: float
    until_s: float | None


class Lane(_Told):
    """A dependency or breaker over time. States: up, down, unknown; of a breaker: closed, open, half_open, ..."""

    name: str
    state: str  # now
    stretches: list[LaneState]
    dropped: int  # older stretches that memory no longer holds


class MarkKind(StrEnum):
    """What happened at one moment."""

    DRILL_STARTED = "drill_started"
    DRILL_STOPPED = "drill_stopped"
    MODEL = "model"  # another model version gave most of the answers
    SNAPSHOT = "snapshot"  # another snapshot was adopted
    PLACEMENT = "placement"  # a placement changed
    STARTED = "started"  # this gateway started


class Mark(_Told):
    """A moment to draw across the lanes."""

    at_s: float
    kind: MarkKind
    label: str


class Rung(_Told):
    """One rung of the ladder: its live share, and when it last served or was rehearsed (None: not since the start)."""

    source: Source
    answers: int
    share: float | None
    items: int
    last_served_s: float | None
    last_rehearsed_s: float | None
    rehearsal_items: int | None  # what the last rehearsal of this rung found to offer
    proven_within_hour: bool


class Spending(_Told):
    """Where the budget of a request around one percentile went, in milliseconds; the parts sum to `total_ms`."""

    answers: int
    total_ms: float
    history_ms: float
    inference_ms: float
    compose_ms: float  # everything else: baseline, composing, encoding, waiting for the event loop


class Resilience(_Told):
    """Dependencies and breakers over time, the ladder at work, and where a median and a p99 request's budget went."""

    timeline: Timeline
    lanes: list[Lane]
    marks: Annotated[list[Mark], Field(max_length=MARKS_MAX)]
    ladder: list[Rung]
    median: Spending | None
    p99: Spending | None
    deadline_ms: float | None
    loop_lag_ms: list[float]  # the longest of each step
    in_flight: list[int]  # the most model branches at a time
    active_drills: int


class Lateness(_Told):
    """How long events took from happening to being reported: counts below each bound, the last is all beyond."""

    bounds_s: list[float]
    counts: list[int]


class DeadLetters(_Told):
    """Events that could not be stored, by reason: from PostgreSQL, or only their number while that is away."""

    total: int
    by_reason: dict[str, int]
    from_database: bool
    note: str | None


class DataHealth(_Told):
    """What comes in and what becomes of it."""

    timeline: Timeline
    accepted: int
    accepted_by_type: dict[EventType, list[int]]
    rejects: dict[str, list[int]]  # by status, and for `rejected_invalid` by field: `rejected_invalid:item_id`
    unknown_item_share: float | None
    unknown_items: list[int]
    lateness: Lateness
    spool_pending: list[int]
    spool_pending_now: int
    spool_accepted: int
    spool_stored: int
    spool_dead: int
    shipping_failures_in_a_row: int
    shipping_error: str | None
    snapshot_age_s: list[float]
    snapshot_age_s_now: float
    snapshot_version: str
    snapshot_items: int
    items_changed_since: int
    dead_letters: DeadLetters


class DependencyDetail(_Told):
    """One dependency, what it means while it is away, and since when it is as it is."""

    name: str
    state: DependencyState
    since: datetime | None
    detail: str
