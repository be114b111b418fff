"""What a run shows against the guarantees: observations in, broken promises out. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from evershelf.contracts.recommendations import Reason
from evershelf.drills.figures import Figures, model_shares, seconds_until
from evershelf.drills.judge import Verdict
from evershelf.drills.link import Call
from evershelf.drills.row import BUSY, HEALTHY, ModelShare, Row, Stop

LATE_SHARE_MAX = 0.001
DETECTED_S = 2.0
CALLS_AFTER_DEATH_MAX = 20
STOP_S = {Stop.DEAD: 1.0, Stop.FAILING: 5.0}
RETURN_90_S = 5.0
RETURN_99_S = 10.0
GOODPUT_KEPT = 0.95
MODEL_KEPT = 0.9
WELL_BEFORE_MIN = 0.5  # with less from the model before the fault, what it does to the model shows nothing
RETRIES_SHARE_MAX = 0.1
MEMORY_BYTES_MAX = 512 * 2**20
HALF_READ_MAX = 32  # answers to questions whose reply was on its way as a connection was broken: one call's batch
PROBE_WAIT_S_MIN = 0.4  # the breaker's is 0.5 s; what the proxy sees may come a moment closer together


@dataclass(frozen=True, slots=True)
class Timeline:
    """The instants of a run (monotonic seconds). Injecting takes a moment: from `struck_s` on all of it is on."""

    began_s: float
    fault_s: float
    struck_s: float
    healing_s: float
    healed_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Phases:
    """The figures of each phase of a run."""

    before: Figures
    fault: Figures
    after: Figures
    settled: Figures  # the second half of `after`


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a run has seen."""

    row: Row
    budget_ms: int
    timeline: Timeline
    phases: Phases
    verdicts: Sequence[Verdict]
    calls: Sequence[Call]
    felt: bool
    counted_answers: dict[str, float] | None  # by "source reason", from /metrics; None where a gateway was restarted
    unbalanced: int
    wrong_doors: dict[str, int]
    acknowledged: int
    lost_events: int
    events_refused: int
    events_odd: int
    memory_bytes_max: int = 0


@dataclass(frozen=True, slots=True)
class Broken:
    """One promise that the run saw broken, and how."""

    guarantee: str
    detail: str

    def __str__(self) -> str:
        return f"{self.guarantee}: {self.detail}"


def broken(seen: Observed) -> list[Broken]:
    """Every promise that did not hold; a fault that was not felt breaks the drill itself."""
    checks = (
        _fired,
        _answers,
        _lateness,
        _truth,
        _share,
        _calls,
        _stopping,
        _return,
        _goodput,
        _events,
        _telemetry,
        _doors,
        _memory,
    )
    return [Broken(guarantee, detail) for check in checks for guarantee, detail in check(seen)]


def detected_after_s(seen: Observed) -> float | None:
    """From the fault to the first answer that says inference is left alone; None where none does."""
    opened = [v.answer.due_s for v in _during(seen) if v.reason is Reason.CIRCUIT_OPEN]
    return max(0.0, min(opened) - seen.timeline.fault_s) if opened else None


def returned_after_s(seen: Observed, share: float) -> float | None:
    """From the heal to the end of the first second in which that share of the eligible traffic came from the model."""
    before = seen.phases.before.model_share
    windows = int(seen.timeline.ended_s - seen.timeline.healed_s)
    shares = model_shares(seen.verdicts, from_s=seen.timeline.healed_s, windows=windows)
    return seconds_until([each / before for each in shares], share) if before else None


_Found = Iterator[tuple[str, str]]


def _fired(seen: Observed) -> _Found:
    if seen.phases.before.model_share < WELL_BEFORE_MIN:
        yield "drill", f"all was not well before the fault: the model gave {seen.phases.before.model_share:.0%}"
    if not seen.felt:
        yield "drill", "the fault was not felt"
    told = set(seen.phases.fault.reasons)
    for reasons in seen.row.must_say:
        if not told & {str(reason) for reason in reasons}:
            yield "drill", f"no answer said {' or '.join(sorted(reasons))}"


def _answers(seen: Observed) -> _Found:
    for name, phase in _named(seen.phases):
        if phase.exceptions:
            yield "G1", f"{name}: exceptions {phase.exceptions}"
        statuses = {status: count for status, count in phase.statuses.items() if status != 200}
        if statuses:
            yield "G1", f"{name}: answers with status {statuses}"
        faults = {fault: count for fault, count in phase.faults.items() if fault != "not 200"}
        if faults:
            yield "G4", f"{name}: {faults}"


def _lateness(seen: Observed) -> _Found:
    for name, phase in _named(seen.phases):
        if seen.row.late_excused and name == "fault":
            continue
        if phase.late > LATE_SHARE_MAX * phase.requests:
            yield "G2", f"{name}: {phase.late} of {phase.requests} later than the budget and 10 ms"
        if phase.far_too_late:
            yield "G2", f"{name}: {phase.far_too_late} later than the budget and 50 ms"


def _truth(seen: Observed) -> _Found:
    healthy = {str(reason) for reason in HEALTHY | BUSY | {Reason.HISTORY_UNAVAILABLE}}
    allowed = {str(reason) for reason in seen.row.allowed | {Reason.HISTORY_UNAVAILABLE}}
    half_read = HALF_READ_MAX if seen.row.cuts_replies else 0
    for name, phase, reasons in (
        ("before", seen.phases.before, healthy),
        ("fault", seen.phases.fault, allowed),
        ("after", seen.phases.after, allowed),
        ("settled", seen.phases.settled, healthy),
    ):
        untrue = {reason: count for reason, count in phase.reasons.items() if reason not in reasons}
        if reasons is allowed and untrue.get(Reason.INFERENCE_INVALID, 0) <= half_read:
            untrue.pop(Reason.INFERENCE_INVALID, None)
        if untrue:
            yield "G5", f"{name}: reasons that cannot be true {untrue}"
    if seen.row.model is ModelShare.NONE:
        # What is asked in the last moment may be answered when the fault is over.
        from_s, until_s = seen.timeline.struck_s + DETECTED_S, seen.timeline.healing_s
        impossible = sum(v.is_model and v.answer.sent_s > from_s and v.answer.done_s < until_s for v in _during(seen))
        if impossible:
            yield "G5", f"{impossible} answers by a model that could not be asked"


def _share(seen: Observed) -> _Found:
    before, during = seen.phases.before.model_share, seen.phases.fault.model_share
    if seen.row.model is ModelShare.ALL and during < MODEL_KEPT * before:
        yield "matrix", f"the model's share fell from {before:.2f} to {during:.2f}"


def _calls(seen: Observed) -> _Found:
    users = [call for call in seen.calls if not call.is_probe and call.queries]
    without = sum(call.budget_ms is None for call in users)
    if without:
        yield "G3", f"{without} of {len(users)} calls to inference carried no budget"
    too_large = sum(call.budget_ms is not None and call.budget_ms > seen.budget_ms for call in users)
    if too_large:
        yield "G3", f"{too_large} calls carried a larger budget than their caller's"
    before = [c for c in users if c.at_s < seen.timeline.fault_s]
    durations = sorted(call.duration_ms for call in before if call.duration_ms is not None)
    if durations:
        typical_ms = durations[len(durations) // 2]
        hopeless = sum(call.budget_ms is not None and call.budget_ms < int(typical_ms) for call in before)
        if hopeless:
            yield "G3", f"{hopeless} calls began with less than the {typical_ms:.1f} ms that half of them take"
    queries = sum(call.queries for call in users)
    if queries > (1 + RETRIES_SHARE_MAX) * len(seen.verdicts):
        yield "G15", f"{queries} questions to inference for {len(seen.verdicts)} requests"


def _stopping(seen: Observed) -> _Found:
    if seen.row.stop is Stop.NEVER:
        return
    asked = calls_after_fault(seen)
    limit_s = STOP_S[seen.row.stop]
    if len(asked) > CALLS_AFTER_DEATH_MAX and max(asked) > limit_s:
        late = sum(at_s > limit_s for at_s in asked)
        yield "G16", f"{len(asked)} calls by users during the fault, {late} of them after {limit_s:g} s"


def calls_after_fault(seen: Observed) -> list[float]:
    """When, counted from the moment the fault was wholly on, users' calls still reached out to inference (seconds)."""
    from_s, until_s = seen.timeline.struck_s, seen.timeline.healing_s
    calls = [c.at_s for c in seen.calls if not c.is_probe and c.queries and from_s <= c.at_s < until_s]
    if not calls:  # nobody listened: the proxy saw nothing, the answers tell
        calls = [v.answer.due_s for v in _during(seen) if v.reason is Reason.INFERENCE_UNAVAILABLE]
    return sorted(at_s - from_s for at_s in calls)


def _return(seen: Observed) -> _Found:
    for share, limit_s in ((0.9, RETURN_90_S), (0.99, RETURN_99_S)):
        if seen.timeline.ended_s - seen.timeline.healed_s < limit_s:
            continue
        took_s = returned_after_s(seen, share)
        if seen.phases.before.model_share and (took_s is None or took_s > limit_s):
            yield "G17", f"{share:.0%} of eligible traffic from the model after {took_s or 'more than the run'} s"
    if seen.row.stop is Stop.NEVER:
        return
    probes = sorted((call for call in seen.calls if call.is_probe), key=lambda call: call.at_s)
    at_once = sum(later.at_s < _over_s(sooner) for sooner, later in pairwise(probes))
    if at_once:
        yield "G17", f"{at_once} probes began before the one before them was over"
    yield from _ramp(seen)


def _ramp(seen: Observed) -> _Found:
    """Seconds count from the first question after the heal: one that it filled only in part would seem too small."""
    users = sorted((c for c in seen.calls if not c.is_probe and c.at_s >= seen.timeline.healed_s), key=lambda c: c.at_s)
    asked: Counter[int] = Counter()
    for call in users:
        asked[int(call.at_s - users[0].at_s)] += call.queries
    for second in range(max(asked, default=0)):
        few, many = asked[second], asked[second + 1]
        if few and many > 2 * few + 4 * sqrt(2 * few) + 5:
            yield "G17", f"questions a second rose from {few} to {many} within a second"


def _over_s(probe: Call) -> float:
    """When a probe was over: with the last byte of its answer; without one not before the breaker's shortest wait."""
    return probe.at_s + (PROBE_WAIT_S_MIN if probe.duration_ms is None else probe.duration_ms / 1_000)


def _goodput(seen: Observed) -> _Found:
    before, settled = seen.phases.before.goodput_per_s, seen.phases.settled.goodput_per_s
    if seen.phases.settled.requests and settled < GOODPUT_KEPT * before:
        yield "G14", f"goodput {settled:.0f}/s after, {before:.0f}/s before"


def _events(seen: Observed) -> _Found:
    if seen.lost_events:
        yield "G9", f"{seen.lost_events} of {seen.acknowledged} acknowledged events are nowhere"
    if seen.unbalanced:
        yield "G11", f"the books did not balance at {seen.unbalanced} looks"
    if seen.events_refused and not seen.row.events_may_fail:
        yield "G12", f"{seen.events_refused} batches of events were refused, and no disk was full"
    if seen.events_odd:
        yield "G12", f"{seen.events_odd} batches of events got an answer that is neither 202 nor 503"


def _telemetry(seen: Observed) -> _Found:
    if seen.counted_answers is None:
        return
    told = Counter(f"{v.source} {v.reason}" for v in seen.verdicts if v.source is not None)
    counted = Counter({name: round(count) for name, count in seen.counted_answers.items()})
    missing, unheard = told - counted, counted - told
    # A caller that gave an attempt up does not hear its answer, which the gateway has counted all the same.
    given_up = sum(v.answer.attempts - 1 for v in seen.verdicts if v.answer.attempts)
    if missing or unheard.total() > given_up:
        differing = {name: (told[name], counted[name]) for name in sorted({*missing, *unheard})}
        yield "G28", f"received and counted differ: {differing}"


def _doors(seen: Observed) -> _Found:
    if seen.wrong_doors:
        yield "G26", f"doors: {seen.wrong_doors}"


def _memory(seen: Observed) -> _Found:
    if seen.memory_bytes_max > MEMORY_BYTES_MAX:
        yield "G25", f"the gateway held {seen.memory_bytes_max >> 20} MiB"


def _during(seen: Observed) -> Iterator[Verdict]:
    for verdict in seen.verdicts:
        if seen.timeline.fault_s <= verdict.answer.due_s < seen.timeline.healing_s:
            yield verdict


def _named(phases: Phases) -> tuple[tuple[str, Figures], ...]:
    return ("before", phases.before), ("fault", phases.fault), ("after", phases.after)
