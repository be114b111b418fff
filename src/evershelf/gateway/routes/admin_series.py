"""The console's overview, resilience and data health, from the gateway's own memory: nothing else need be up."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request

from evershelf.contracts.admin_operation import DependenciesTold
from evershelf.contracts.admin_series import (
    POINTS_MAX,
    WINDOW_S_MAX,
    WINDOW_S_MIN,
    DataHealth,
    DeadLetters,
    DependencyDetail,
    ErrorBudget,
    Latency,
    LatencyTotals,
    Lateness,
    Overview,
    OverviewTotals,
    Resilience,
    Rung,
    Timeline,
)
from evershelf.contracts.events import EventType
from evershelf.contracts.recommendations import Reason, Source
from evershelf.gateway.parts import Parts, parts_of
from evershelf.gateway.routes.health import get_dependencies
from evershelf.gateway.routes.operator import stored_if_up
from evershelf.gateway.series import Window
from evershelf.gateway.series_bucket import LATENESS_BOUNDS_S, Bucket, Spent, percentile, spending
from evershelf.storage.dead_letters import count_dead_letters

router = APIRouter()
WindowS = Annotated[int, Query(ge=WINDOW_S_MIN, le=WINDOW_S_MAX, description="How far back, in seconds.")]
Points = Annotated[int, Query(ge=1, le=POINTS_MAX, description="At most so many steps.")]
HOUR_S = 3_600
K = TypeVar("K", bound=str)


@router.get("/overview")
async def get_overview(
    http: Request, window_s: WindowS = HOUR_S, points_max: Points = 120, placement: str | None = None
) -> Overview:
    """Whether the promise is kept: answers in time, by source and reason, of one placement or of all."""
    parts = parts_of(http)
    window = await parts.series.window(window_s, points_max)
    steps, whole = window.steps, window.whole
    answers = [_answers(step, placement) for step in steps]
    spent = [step.spent(placement) for step in steps]
    deadlines = [step.count(placement, step.deadline_ms_sum) for step in steps]
    totals = _totals(whole, placement)
    return Overview(
        timeline=_timeline(window),
        placements=sorted({label[0] for label in whole.answers}),
        totals=totals,
        error_budget=_error_budget(totals, parts.settings.gateway_objective_share),
        answers=answers,
        valid_in_time=[
            count - step.count(placement, step.late_or_empty) for count, step in zip(answers, steps, strict=True)
        ],
        degraded=[step.count(placement, step.degraded) for step in steps],
        by_source=_by(steps, totals.by_source, lambda step: _sums(step, placement, 1)),
        by_reason=_by(steps, totals.by_reason, lambda step: _sums(step, placement, 2)),
        by_placement=_by(steps, totals.by_placement, lambda step: _sums(step, placement, 0)),
        latency=Latency(
            p50_ms=[percentile(each, 0.5) for each in spent],
            p95_ms=[percentile(each, 0.95) for each in spent],
            p99_ms=[percentile(each, 0.99) for each in spent],
        ),
        deadline_ms=[total / count if count else None for total, count in zip(deadlines, answers, strict=True)],
    )


@router.get("/resilience")
async def get_resilience(http: Request, window_s: WindowS = HOUR_S, points_max: Points = 120) -> Resilience:
    """Dependencies, breakers, drills and releases over time, the ladder's live shares, and where budgets went."""
    parts = parts_of(http)
    window = await parts.series.window(window_s, points_max)
    spent = window.whole.spent(None)
    answers = window.whole.answers.total()
    return Resilience(
        timeline=_timeline(window),
        lanes=parts.series.lanes(window.times_s[0]),
        marks=parts.series.marks_since(window.times_s[0]),
        ladder=_ladder(parts, window.whole),
        median=spending(spent, 0.5),
        p99=spending(spent, 0.99),
        deadline_ms=window.whole.deadline_ms_sum.total() / answers if answers else None,
        loop_lag_ms=[step.loop_lag_ms for step in window.steps],
        in_flight=[step.in_flight for step in window.steps],
        active_drills=len(parts.drills.active),
    )


@router.get("/data-health")
async def get_data_health(http: Request, window_s: WindowS = HOUR_S, points_max: Points = 120) -> DataHealth:
    """Events by type, lateness, rejects and dead letters by reason, spool depth, snapshot age, unknown items."""
    parts = parts_of(http)
    window = await parts.series.window(window_s, points_max)
    steps, whole, shelf, counts = window.steps, window.whole, parts.snapshots.current, parts.spool.counts()
    accepted = whole.events.total()
    return DataHealth(
        timeline=_timeline(window),
        accepted=accepted,
        accepted_by_type={kind: [step.events[kind] for step in steps] for kind in EventType if whole.events[kind]},
        rejects={name: [step.rejects[name] for step in steps] for name in sorted(whole.rejects)},
        unknown_item_share=whole.unknown_items / accepted if accepted else None,
        unknown_items=[step.unknown_items for step in steps],
        lateness=Lateness(bounds_s=list(LATENESS_BOUNDS_S), counts=whole.lateness),
        spool_pending=[step.spool_pending for step in steps],
        spool_pending_now=counts.pending,
        spool_accepted=counts.accepted,
        spool_stored=counts.stored,
        spool_dead=counts.dead,
        shipping_failures_in_a_row=parts.shipper.failures_in_a_row,
        shipping_error=parts.shipper.last_error,
        snapshot_age_s=[step.snapshot_age_s for step in steps],
        snapshot_age_s_now=round(max(0.0, parts.outside.clock.unix_s() - shelf.created_at_s), 1),
        snapshot_version=shelf.version,
        snapshot_items=len(shelf),
        items_changed_since=parts.mirror.items_changed,
        dead_letters=await _dead_letters(parts),
    )


@router.get("/dependencies")
async def get_dependency_details(http: Request) -> DependenciesTold:
    """The state of every dependency, as last seen; none of them is asked for this answer."""
    seen = (await get_dependencies(http)).dependencies
    now_s = parts_of(http).outside.clock.unix_s()
    return DependenciesTold(
        dependencies=[
            DependencyDetail(
                name=each.name,
                state=each.state,
                since=None if each.since_s is None else datetime.fromtimestamp(now_s - each.since_s, UTC),
                detail=each.detail,
            )
            for each in seen
        ]
    )


def _timeline(window: Window) -> Timeline:
    return Timeline(
        now_s=round(window.now_s, 3), began_s=round(window.began_s, 3), step_s=window.step_s, times_s=window.times_s
    )


def _answers(bucket: Bucket, placement: str | None) -> int:
    return sum(count for _, count in bucket.answered(placement))


def _sums(bucket: Bucket, placement: str | None, label: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for labels, count in bucket.answered(placement):
        sums[labels[label]] = sums.get(labels[label], 0) + count
    return sums


def _by(steps: Iterable[Bucket], names: Iterable[K], sums: Callable[[Bucket], dict[str, int]]) -> dict[K, list[int]]:
    each = [sums(step) for step in steps]
    return {name: [step.get(name, 0) for step in each] for name in names}


def _totals(whole: Bucket, placement: str | None) -> OverviewTotals:
    answers = _answers(whole, placement)
    bad, degraded = whole.count(placement, whole.late_or_empty), whole.count(placement, whole.degraded)
    spent = whole.spent(placement)
    return OverviewTotals(
        answers=answers,
        valid_in_time=answers - bad,
        valid_in_time_share=(answers - bad) / answers if answers else None,
        late=whole.count(placement, whole.late),
        empty=whole.count(placement, whole.empty),
        failed=whole.failed,
        degraded=degraded,
        degraded_share=degraded / answers if answers else None,
        by_source={Source(name): count for name, count in sorted(_sums(whole, placement, 1).items())},
        by_reason={Reason(name): count for name, count in sorted(_sums(whole, placement, 2).items())},
        by_placement=dict(sorted(_sums(whole, placement, 0).items())),
        latency=_latency_totals(spent, whole.count(placement, whole.deadline_ms_sum), answers),
    )


def _latency_totals(spent: dict[int, Spent], deadlines_ms: int, answers: int) -> LatencyTotals:
    return LatencyTotals(
        p50_ms=percentile(spent, 0.5),
        p95_ms=percentile(spent, 0.95),
        p99_ms=percentile(spent, 0.99),
        deadline_ms=deadlines_ms / answers if answers else None,
    )


def _error_budget(totals: OverviewTotals, objective_share: float) -> ErrorBudget:
    asked = totals.answers + totals.failed
    allowed, spent = (1 - objective_share) * asked, totals.answers - totals.valid_in_time + totals.failed
    left_share = 1 - spent / allowed if allowed else float(not spent)
    return ErrorBudget(
        objective_share=objective_share, answers=asked, allowed=allowed, spent=spent, left_share=left_share
    )


def _ladder(parts: Parts, whole: Bucket) -> list[Rung]:
    answers = _sums(whole, None, 1)
    total, series = sum(answers.values()), parts.series
    rungs = []
    for source in Source:
        rehearsed_s, items = series.rehearsals.get(source, (None, None))
        rungs.append(
            Rung(
                source=source,
                answers=answers.get(source, 0),
                share=answers.get(source, 0) / total if total else None,
                items=whole.items[source],
                last_served_s=series.last_served_s.get(source),
                last_rehearsed_s=rehearsed_s,
                rehearsal_items=items,
                proven_within_hour=series.proven_age_s(source) <= HOUR_S,
            )
        )
    return rungs


async def _dead_letters(parts: Parts) -> DeadLetters:
    by_reason = await stored_if_up(parts, count_dead_letters)
    if by_reason is not None:
        return DeadLetters(total=sum(by_reason.values()), by_reason=by_reason, from_database=True, note=None)
    return DeadLetters(
        total=parts.spool.counts().dead,
        by_reason={},
        from_database=False,
        note="PostgreSQL is away, which keeps their reasons: this is the number that this gateway has buried.",
    )
