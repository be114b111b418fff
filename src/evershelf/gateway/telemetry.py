"""What the gateway counts and logs: bounded labels, constant event names, never an id of a user or an item."""

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, get_args

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from evershelf.contracts.events import EventStatus
from evershelf.contracts.recommendations import Reason, Source
from evershelf.gateway.operation_metrics import OperationMetrics
from evershelf.gateway.rollout_metrics import RolloutMetrics
from evershelf.logs.lines import where
from evershelf.policy.shedding import Priority, Service

# An answer takes about a millisecond without the model, its deadline at most; 2.5 s is past every deadline.
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0, 2.5)

log = structlog.get_logger()


Figures = Callable[[], Mapping[str, float]]
# Where a bug is caught and survived.
BoundaryName = Literal[
    "catalog_index",
    "database",
    "embedded_metrics",
    "inference_call",
    "inference_probe",
    "model_branch",
    "quick_lane",
    "record",
    "rehearsal",
    "request",
    "rollout",
    "shadow",
    "snapshot",
    "training",
    "watch",
]


class Telemetry:
    """The metrics of one process in a registry of its own. Every method records one fact and never fails or waits."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "evershelf_answers",
            "Recommendations answered.",
            ["placement", "source", "reason", "degraded"],
            registry=self._registry,
        )
        self._answer_duration = Histogram(
            "evershelf_answer_duration_seconds",
            "From the request read to the answer composed.",
            ["placement"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._misses = Counter(
            "evershelf_deadline_misses",
            "Answers composed after their deadline.",
            ["placement"],
            registry=self._registry,
        )
        self._inference_calls = Counter(
            "evershelf_inference_calls",
            "Questions to inference by what came back.",
            ["reason"],
            registry=self._registry,
        )
        self._inference_duration = Histogram(
            "evershelf_inference_call_duration_seconds",
            "From asking inference to its answer, or to giving up.",
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._events = Counter(
            "evershelf_events", "Events received by what became of them.", ["status"], registry=self._registry
        )
        snapshot_refusals = "evershelf_snapshot_refusals", "Snapshots that were not adopted."
        self._snapshot_refusals = Counter(*snapshot_refusals, registry=self._registry)
        self._caught = Counter(
            "evershelf_caught_errors",
            "Bugs that were survived, by the boundary that caught them.",
            ["boundary"],
            registry=self._registry,
        )
        self._caught_totals: Counts[str] = Counts()
        self._answer_counters: dict[tuple[str, Source, Reason, bool], Callable[[float, float], None]] = {}
        admissions = Counter(
            "evershelf_admissions",
            "Requests for recommendations by how much work they were given.",
            ["priority", "service"],
            registry=self._registry,
        )
        self._admissions = {
            (priority, service): admissions.labels(priority.value, service.value)
            for priority in Priority
            for service in Service
        }
        self.rollout = RolloutMetrics(self._registry)
        self.operation = OperationMetrics(self._registry)
        self._start_from_zero()

    def _start_from_zero(self) -> None:
        # So that a rate can be taken of each, and the first of its kind is seen.
        for status in EventStatus:
            self._events.labels(status.value)
        for boundary in get_args(BoundaryName):
            self._caught.labels(boundary)

    def answered(
        self,
        placement: str,
        source: Source,
        reason: Reason,
        *,
        degraded: bool,
        elapsed_s: float,
        deadline_s: float,
    ) -> None:
        """A recommendation was composed."""
        self.answer_counter(placement, source, reason, degraded=degraded)(elapsed_s, deadline_s)

    def answer_counter(
        self, placement: str, source: Source, reason: Reason, *, degraded: bool
    ) -> Callable[[float, float], None]:
        """Counts one such answer: how long it took and how long it might have taken, in seconds."""
        key = placement, source, reason, degraded
        if (found := self._answer_counters.get(key)) is None:
            found = self._answer_counters[key] = self._bound_answer_counter(*key)
        return found

    def _bound_answer_counter(
        self,
        placement: str,
        source: Source,
        reason: Reason,
        degraded: bool,  # noqa: FBT001 - one of a key's four
    ) -> Callable[[float, float], None]:
        # Looking labels up at every answer costs more than counting does.
        answers = self._answers.labels(placement, source.value, reason.value, "true" if degraded else "false")
        duration, misses = self._answer_duration.labels(placement), self._misses.labels(placement)

        def count(elapsed_s: float, deadline_s: float) -> None:
            answers.inc()
            duration.observe(elapsed_s)
            if elapsed_s > deadline_s:
                misses.inc()

        return count

    def admitted(self, priority: Priority, service: Service) -> None:
        """A request for recommendations was given this service."""
        self._admissions[priority, service].inc()

    def inference_called(self, outcome: Reason, elapsed_s: float) -> None:
        """Inference was asked; `outcome` is what came of it."""
        self._inference_calls.labels(outcome.value).inc()
        self._inference_duration.observe(elapsed_s)

    def events_judged(self, status: EventStatus, count: int) -> None:
        """That fate of so many events was told to their sender."""
        self._events.labels(status.value).inc(count)

    def snapshot_refused(self) -> None:
        """A snapshot was not adopted; the last good one stays."""
        self._snapshot_refusals.inc()

    def caught(self, boundary: BoundaryName, error: Exception, **told: str) -> None:
        """A bug was caught at a boundary. Its message stays unsaid, for it may quote what a user sent."""
        self._caught.labels(boundary).inc()
        self._caught_totals[boundary] += 1
        log.error("error_caught", boundary=boundary, error=type(error).__name__, where=where(error), **told)

    def caught_total(self, boundary: BoundaryName) -> int:
        """How many bugs that boundary has caught since the start."""
        return self._caught_totals[boundary]

    def watch(self, figures: Figures) -> None:
        """Reads `figures` (a name of GAUGES -> its value) at every scrape."""
        self._registry.register(_Reading(figures))

    def families(self) -> Iterable[Metric]:
        """Every metric with its samples, as they stand now."""
        return self._registry.collect()

    def exposition(self) -> bytes:
        """The text that a Prometheus server scrapes."""
        return generate_latest(self._registry)


# Read at scrape time from the parts that know them.
GAUGES: Mapping[str, str] = {
    "evershelf_loop_lag_seconds": "The recent worst lag of the event loop.",
    "evershelf_database_up": "1 while PostgreSQL answers.",
    "evershelf_answers_in_hand": "Answers with a baseline of their own that are being made.",
    "evershelf_rungs_unproven": "Rungs of the ladder that neither served nor were rehearsed well within the last hour.",
    "evershelf_drills_active": "Drills that run in this gateway.",
    "evershelf_inference_in_flight": "Model branches that have not ended, abandoned ones included.",
    "evershelf_inference_circuit_closed": "1 while calls to inference go through.",
    "evershelf_model_age_seconds": "Since the champion was made.",
    "evershelf_training_age_seconds": "Since the last training run ended.",
    "evershelf_rollout_share": "Share of users that this gateway sends to the challenger.",
    "evershelf_snapshot_age_seconds": "Age of the snapshot in use.",
    "evershelf_snapshot_items": "Items in the snapshot in use.",
    "evershelf_spool_events_accepted": "Events ever accepted into this spool.",
    "evershelf_spool_events_stored": "Of those, stored in PostgreSQL.",
    "evershelf_spool_events_dead": "Of those, buried as dead letters.",
    "evershelf_spool_events_pending": "Of those, still only in the spool.",
    "evershelf_spool_oldest_event_age_seconds": "How long the oldest of those has waited; 0 where none waits.",
    "evershelf_spool_quarantined": "Damaged spool files that were put aside since the start; their events wait there.",
    "evershelf_spool_failures": "Commits of the spool that failed since the start.",
    "evershelf_shipping_failures_in_a_row": "Batches in a row that PostgreSQL did not take.",
    "evershelf_log_lines_dropped": "Log lines for which stdout had no room since the start.",
    "evershelf_decisions_dropped": "Decisions that were not kept, for want of room or time, since the start.",
    "evershelf_decisions_passed_over": "Answers beyond the rate that is recorded, since the start.",
}


class _Reading(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, value in self._figures().items():
            yield GaugeMetricFamily(name, GAUGES[name], value=value)
