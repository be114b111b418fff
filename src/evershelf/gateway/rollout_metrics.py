"""What is counted while a challenger is on trial."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from evershelf.policy.rollout import Guardrail

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class RolloutMetrics:
    """Counters in the registry of the process. Every method records one fact and never fails or waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "evershelf_rollout_calls",
            "Calls of champion and challenger during a trial, copies included.",
            ["arm", "kind"],
            registry=registry,
        )
        self._overlap = Histogram(
            "evershelf_shadow_overlap",
            "Share of a list that champion and challenger have in common.",
            buckets=SHARES,
            registry=registry,
        )
        self._withdrawals = Counter(
            "evershelf_rollout_withdrawals", "Challengers withdrawn, by guardrail.", ["guardrail"], registry=registry
        )
        for guardrail in Guardrail:
            self._withdrawals.labels(guardrail.value)

    def called(self, arm: str, kind: str) -> None:
        """A model answered, or failed to."""
        self._calls.labels(arm, kind).inc()

    def compared(self, overlap: float) -> None:
        """Both models were asked the same; `overlap` is the share of the list that both have."""
        self._overlap.observe(overlap)

    def withdrawn(self, guardrail: str) -> None:
        """A challenger broke a guardrail and gets nobody any more."""
        self._withdrawals.labels(guardrail).inc()
