"""The judge: whether an answer keeps the promises, looked at as if an enemy had sent it. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from pydantic import ValidationError

from evershelf.contracts.recommendations import TROUBLE, Reason, Recommendation, Source
from evershelf.drills.answers import Answer, Mishap
from evershelf.drills.plan import Ask

LATE_MS = 10.0  # beyond the budget: G2 allows so much at p99.9
NEVER_LATER_MS = 50.0  # beyond the budget: G2 allows nothing later than this
_MODEL_ANSWERED = frozenset({Reason.PERSONALIZED, Reason.CONTEXTUAL})
# Said of the model by a whole answer only when the model was not to blame for anything.
_UNSAYABLE = frozenset({Reason.NOTHING_TO_OFFER})


class Fault(StrEnum):
    """What can be wrong with an answer: G1, G4 and G5, one by one."""

    EXCEPTION = "no answer"
    STATUS = "not 200"
    CONTRACT = "breaks the contract"
    COUNT = "not k items"
    TWICE = "an item twice"
    UNKNOWN = "an item the catalog does not have"
    INELIGIBLE = "an item that may not be shown"
    HIDDEN = "an item the caller excluded"
    ORDER = "scores rise"
    RANKS = "ranks are not 1..k"
    SOURCE = "source is not the first item's"
    DEGRADED = "degraded is not what the attempts say"
    REASON = "reason and source contradict each other"
    VERSION = "model version is missing or made up"
    BUDGET = "the budget is not the caller's"
    PLACEMENT = "not the placement asked for"


@dataclass(frozen=True, slots=True)
class Catalog:
    """What may be shown, as the database said before the run."""

    known: frozenset[str]
    eligible: frozenset[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judged answer, without its body: what is wrong with it, and what it said of itself (None: unreadable)."""

    answer: Answer
    faults: tuple[Fault, ...]
    source: Source | None = None
    reason: Reason | None = None
    degraded: bool = False
    snapshot_version: str = ""
    outcomes: frozenset[Reason] = frozenset()

    @property
    def is_model(self) -> bool:
        """Whether the model answered."""
        return self.source is Source.MODEL


def judge(answer: Answer, ask: Ask, catalog: Catalog) -> Verdict:
    """Looks at everything an answer promises by itself; whether its reason fits the injected fault is the run's."""
    stripped = replace(answer, body=b"")
    if answer.mishap is not Mishap.NONE:
        return Verdict(stripped, (Fault.EXCEPTION,))
    if answer.status != 200:
        return Verdict(stripped, (Fault.STATUS,))
    try:
        told = Recommendation.model_validate_json(answer.body)
    except ValidationError:
        return Verdict(stripped, (Fault.CONTRACT,))
    return Verdict(
        stripped,
        tuple(_faults(told, ask, catalog)),
        told.source,
        told.reason,
        told.degraded,
        told.snapshot.version,
        frozenset(attempt.outcome for attempt in told.attempts),
    )


def _faults(told: Recommendation, ask: Ask, catalog: Catalog) -> Iterator[Fault]:
    ids = [item.item_id for item in told.items]
    scores = [item.score for item in told.items]
    hidden = set(ask.hidden)
    wanted = min(ask.k, len(catalog.eligible - hidden))
    found = {
        Fault.COUNT: len(ids) != wanted,
        Fault.TWICE: len(set(ids)) != len(ids),
        Fault.UNKNOWN: not catalog.known.issuperset(ids),
        Fault.INELIGIBLE: any(each in catalog.known and each not in catalog.eligible for each in ids),
        Fault.HIDDEN: not hidden.isdisjoint(ids),
        Fault.ORDER: any(left < right for left, right in pairwise(scores)),
        Fault.RANKS: [item.rank for item in told.items] != list(range(1, len(ids) + 1)),
        Fault.SOURCE: bool(told.items) and told.source is not told.items[0].source,
        Fault.DEGRADED: told.degraded != any(attempt.outcome in TROUBLE for attempt in told.attempts),
        Fault.REASON: _contradicts(told),
        Fault.VERSION: (told.model_version is not None) != (told.source is Source.MODEL),
        Fault.BUDGET: told.deadline_ms != ask.budget_ms,
        Fault.PLACEMENT: f"placement={told.placement}" not in ask.path and told.placement != "home",
    }
    return (fault for fault, is_found in found.items() if is_found)


def _contradicts(told: Recommendation) -> bool:
    """A model's answer has a model's reason; any other says why the model has no part in it, in its attempts too."""
    outcomes = [attempt.outcome for attempt in told.attempts if attempt.source is Source.MODEL]
    if told.source is Source.MODEL:
        return told.reason not in _MODEL_ANSWERED
    if told.reason in _MODEL_ANSWERED or told.reason in _UNSAYABLE:
        return True
    return bool(outcomes) and told.reason not in outcomes


def percentile(ordered: Collection[float], share: float) -> float:
    """The value that `share` of the sorted values do not exceed; 0 of none."""
    values = list(ordered)
    return values[min(int(share * len(values)), len(values) - 1)] if values else 0.0
