"""The figures of the promise as lines of the log in CloudWatch's embedded metric format.

CloudWatch makes metrics of them where the log is shipped to it (Amazon CloudWatch, "Specification: embedded metric
format"); elsewhere they are lines like any other. Nothing is sent from here, so nothing can hold up an answer.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Metric

from evershelf.gateway.background import end
from evershelf.gateway.outside import Clock
from evershelf.gateway.telemetry import Telemetry

NAMESPACE = "Evershelf"
EVENT = "embedded_metrics"
COUNT, SECONDS, NONE = "Count", "Seconds", "None"
log = structlog.get_logger()

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of CloudWatch: the sum of the samples `sample` with these labels, since the last line if it grows."""

    name: str
    sample: str
    unit: str
    labels: Labels = ()
    grows: bool = True


FIGURES = (
    Figure("Answers", "evershelf_answers_total", COUNT),
    Figure("DegradedAnswers", "evershelf_answers_total", COUNT, (("degraded", "true"),)),
    Figure("EmptyAnswers", "evershelf_answers_total", COUNT, (("reason", "empty_catalog"),)),
    Figure("LateAnswers", "evershelf_deadline_misses_total", COUNT),
    Figure("FailedRequests", "evershelf_caught_errors_total", COUNT, (("boundary", "request"),)),
    Figure("ShedRequests", "evershelf_admissions_total", COUNT, (("service", "shed"),)),
    Figure("QuotaRefusals", "evershelf_quota_refusals_total", COUNT),
    Figure("EventsAccepted", "evershelf_spool_events_accepted", COUNT),
    Figure("EventsRefused", "evershelf_events_refused_total", COUNT),
    Figure("DeadLetters", "evershelf_spool_events_dead", COUNT),
    Figure("SpoolEventsPending", "evershelf_spool_events_pending", COUNT, grows=False),
    Figure("SpoolOldestEventAge", "evershelf_spool_oldest_event_age_seconds", SECONDS, grows=False),
    Figure("SnapshotAge", "evershelf_snapshot_age_seconds", SECONDS, grows=False),
    Figure("ModelAge", "evershelf_model_age_seconds", SECONDS, grows=False),
    Figure("TrainingAge", "evershelf_training_age_seconds", SECONDS, grows=False),
    Figure("DatabaseUp", "evershelf_database_up", NONE, grows=False),
    Figure("InferenceCircuitClosed", "evershelf_inference_circuit_closed", NONE, grows=False),
)


class EmbeddedMetrics:
    """A background task that writes one line every `every_s` seconds, or none at all without it."""

    def __init__(self, every_s: float | None, telemetry: Telemetry, clock: Clock) -> None:
        self._every_s = every_s
        self._telemetry = telemetry
        self._clock = clock
        self._before: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to write, if it is wanted."""
        if self._every_s is not None:
            self._before = read(self._telemetry.families())
            self._task = asyncio.create_task(self._run(self._every_s), name="embedded-metrics")

    async def close(self) -> None:
        """Writes what came since the last line, and stops."""
        await end(self._task)
        if self._task is not None:
            self._tell_safely()

    def tell(self) -> None:
        """Writes one line."""
        now = read(self._telemetry.families())
        log.info(EVENT, **line(self._before, now, at_s=self._clock.unix_s()))
        self._before = now

    async def _run(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self._tell_safely()

    def _tell_safely(self) -> None:
        try:
            self.tell()
        except Exception as error:  # noqa: BLE001 - the source boundary: telling outlives whatever it meets
            self._telemetry.caught("embedded_metrics", error)


def read(families: Iterable[Metric]) -> dict[str, float]:
    """The figures that can be read now; one that has no sample is left out."""
    found: dict[str, float] = {}
    samples = [sample for family in families for sample in family.samples]
    for figure in FIGURES:
        wanted = frozenset(figure.labels)
        values = [s.value for s in samples if s.name == figure.sample and wanted <= s.labels.items()]
        # A counter that nothing has moved yet has no sample where its labels are not known before.
        if values or figure.sample.endswith("_total"):
            found[figure.name] = sum(values)
    return found


def line(before: Mapping[str, float], now: Mapping[str, float], *, at_s: float) -> dict[str, object]:
    """The fields of a line: what grew since `before`, and what stands now."""
    known = [figure for figure in FIGURES if figure.name in now]
    values = {
        figure.name: max(0.0, now[figure.name] - before.get(figure.name, 0.0)) if figure.grows else now[figure.name]
        for figure in known
    }
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Service"]],
        "Metrics": [{"Name": figure.name, "Unit": figure.unit} for figure in known],
    }
    stamp = {"Timestamp": int(at_s * 1_000), "CloudWatchMetrics": [directive]}
    return {"_aws": stamp, "Service": "gateway", **values}
