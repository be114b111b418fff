"""A row of the fault matrix as data: what fails, how it is injected, and what callers may be told meanwhile."""

from dataclasses import dataclass
from enum import StrEnum

from evershelf.contracts.recommendations import Reason
from evershelf.drills.injection import Injection


class Component(StrEnum):
    """What a row's fault strikes."""

    NOTHING = "nothing"
    INFERENCE = "inference"
    POSTGRES = "PostgreSQL"
    SNAPSHOT = "snapshot"
    NETWORK = "network"
    GATEWAY = "gateway"
    CLIENTS = "clients"
    SPOOL = "spool"
    MONITORING = "monitoring"


class ModelShare(StrEnum):
    """How much of the eligible traffic the model may answer while the fault is on."""

    NONE = "none"  # once it is detected: an answer by the model would be a lie
    SOME = "some"
    ALL = "all"  # callers notice nothing


class Stop(StrEnum):
    """How soon inference must stop getting user traffic (G16)."""

    DEAD = "dead"  # after 20 calls or 1 s
    FAILING = "failing"  # after 5 s
    NEVER = "never"


# True of any machine that has other things to do: an answer that was held back says so. The breaker may open on it.
BUSY = frozenset({Reason.DEADLINE_EXCEEDED, Reason.BUDGET_TOO_SMALL, Reason.OVERLOADED, Reason.CIRCUIT_OPEN})
# What callers are told when all is well; a history read late is the first sign of a busy machine.
HEALTHY = frozenset({
    Reason.PERSONALIZED, Reason.CONTEXTUAL, Reason.NO_HISTORY, Reason.LOW_CONFIDENCE, Reason.EMPTY_MODEL_ANSWER,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario. `reasons` may be given beside the healthy ones; of each set in `must_say` one must be given."""

    name: str
    component: Component
    failure: str
    inject: Injection
    reasons: frozenset[Reason] = frozenset()
    must_say: tuple[frozenset[Reason], ...] = ()
    model: ModelShare = ModelShare.ALL
    stop: Stop = Stop.NEVER
    setup: Injection | None = None  # before the load begins
    two_gateways: bool = False
    retry_after_ms: float = 0.0
    events_may_fail: bool = False  # honestly, with 503: the spool's disk is the fault
    late_excused: str = ""  # why answers that are late by the fault itself do not count
    cuts_replies: bool = False  # by breaking connections to inference: some of its replies were half read then

    @property
    def allowed(self) -> frozenset[Reason]:
        """Every reason that is true under this fault."""
        return HEALTHY | BUSY | self.reasons


def pair(first: Row, second: Row, inject: Injection) -> Row:
    """Two rows at a time: each may be told of, neither must (one may hide the other)."""
    order = list(ModelShare)
    excused = "; ".join(filter(None, (first.late_excused, second.late_excused)))
    return Row(
        name=f"{first.name}+{second.name}",
        component=first.component,
        failure=f"{first.failure}; {second.component}: {second.failure}",
        inject=inject,
        reasons=first.reasons | second.reasons,
        model=min(first.model, second.model, key=order.index),
        setup=first.setup or second.setup,
        two_gateways=first.two_gateways or second.two_gateways,
        retry_after_ms=max(first.retry_after_ms, second.retry_after_ms),
        events_may_fail=first.events_may_fail or second.events_may_fail,
        late_excused=excused,
        cuts_replies=first.cuts_replies or second.cuts_replies,
    )
