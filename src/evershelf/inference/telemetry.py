"""What the model server counts: one Prometheus registry a process, bounded labels, never an id."""

from collections.abc import Callable
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from evershelf.registry.artifact import Refusal

# Ranking takes about 0.1 ms, a full batch some 10 ms, a caller waits 2 s at most.
BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class Outcome(StrEnum):
    """What became of one rank request."""

    RANKED = "ranked"
    MALFORMED = "malformed"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    OVERLOADED = "overloaded"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    NO_MODEL = "no_model"
    CALLER_GONE = "caller_gone"
    ERROR = "error"


class Telemetry:
    """The metrics of one process, at zero from the start so that a rate can be taken of each."""

    def __init__(self, log_lines_dropped: Callable[[], int] = int) -> None:
        self._registry = CollectorRegistry()
        Gauge(
            "evershelf_inference_log_lines_dropped",
            "Log lines for which stdout had no room since the start.",
            registry=self._registry,
        ).set_function(log_lines_dropped)
        requests = Counter(
            "evershelf_inference_requests", "Rank requests by outcome.", ["outcome"], registry=self._registry
        )
        self._outcomes = {outcome: requests.labels(outcome) for outcome in Outcome}
        self.queries = Counter("evershelf_inference_queries", "Histories ranked.", registry=self._registry)
        self.dropped = Counter(
            "evershelf_inference_queries_dropped",
            "Histories not ranked, for their askers no longer waited.",
            registry=self._registry,
        )
        self.duration = Histogram(
            "evershelf_inference_request_duration_seconds",
            "From the head of a rank request to its answer.",
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self.in_flight = Gauge("evershelf_inference_in_flight", "Rank requests in hand.", registry=self._registry)
        self._model = Gauge(
            "evershelf_inference_model_info",
            "1 for the version that serves.",
            ["model_version"],
            registry=self._registry,
        )
        self._challenger = Gauge(
            "evershelf_inference_challenger_info",
            "1 for the version that is compared with the champion.",
            ["model_version"],
            registry=self._registry,
        )
        self._loaded_at = Gauge(
            "evershelf_inference_model_loaded_timestamp_seconds",
            "When the serving version was loaded.",
            registry=self._registry,
        )
        self._swaps = Counter(
            "evershelf_inference_model_swaps", "Versions taken into service.", registry=self._registry
        )
        refusals = Counter(
            "evershelf_inference_refused_loads", "Versions refused, by reason.", ["reason"], registry=self._registry
        )
        self._refusals = {reason: refusals.labels(reason) for reason in Refusal}

    def count(self, outcome: Outcome) -> None:
        """One rank request ended so."""
        self._outcomes[outcome].inc()

    def refused(self, reason: Refusal) -> None:
        """A version was not taken into service."""
        self._refusals[reason].inc()

    def serving(self, version: str, loaded_at_s: float) -> None:
        """This version serves from now on."""
        self._model.clear()  # the label has one value at a time
        self._model.labels(version).set(1)
        self._loaded_at.set(loaded_at_s)
        self._swaps.inc()

    def challenging(self, version: str | None) -> None:
        """This version, if any, is the challenger from now on."""
        self._challenger.clear()
        if version is not None:
            self._challenger.labels(version).set(1)

    def exposition(self) -> bytes:
        """The text that a Prometheus server scrapes."""
        return generate_latest(self._registry)
