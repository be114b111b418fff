"""What is counted of the life of an installation: quotas, events that found no room, the last training run."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from evershelf.contracts.keys import Scope
from evershelf.contracts.training import RunOutcome, TrainingRun, Verdict

OWN, DEFAULT = "own", "default"


class OperationMetrics:
    """Counters and gauges in the registry of the process. Every method records one fact and never fails or waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        quotas = Counter(
            "evershelf_quota_refusals",
            "Requests answered 429, by the scope that they asked for and by whose quota was used up.",
            ["scope", "quota"],
            registry=registry,
        )
        self._quotas = {(scope, own): quotas.labels(scope.value, OWN if own else DEFAULT)
                        for scope in Scope for own in (True, False)}  # fmt: skip
        self._refused = Counter(
            "evershelf_events_refused", "Events of batches that were answered 503.", registry=registry
        )
        outcomes = Gauge(
            "evershelf_training_last_outcome", "1 for how the last training run ended.", ["outcome"], registry=registry
        )
        self._outcomes = {outcome: outcomes.labels(outcome.value) for outcome in RunOutcome}
        checks = Gauge(
            "evershelf_training_data_checks",
            "Checks of the data in the last training run, by what they said.",
            ["verdict"],
            registry=registry,
        )
        self._checks = {verdict: checks.labels(verdict.value) for verdict in Verdict}

    def quota_refused(self, scope: Scope, *, own: bool) -> None:
        """A key has used up its quota: its own, or the settings' one."""
        self._quotas[scope, own].inc()

    def events_refused(self, count: int) -> None:
        """So many events were not acknowledged, for they could not be made durable."""
        self._refused.inc(count)

    def trained(self, run: TrainingRun) -> None:
        """This is the last training run on record."""
        for outcome, gauge in self._outcomes.items():
            gauge.set(outcome is run.outcome)
        for verdict, gauge in self._checks.items():
            gauge.set(run.checks.get(verdict, 0))
