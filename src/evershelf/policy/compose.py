"""Composing the answer: a valid model reply replaces the baseline, the baseline fills the rest, and both say why."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice
from sys import float_info
from typing import NamedTuple, Protocol, TypeAlias

from evershelf.contracts.recommendations import TROUBLE, Reason, Source
from evershelf.policy.ladder import Cause, Query, Rung, Shelf, admits, causes_of_related

# A candidate before its score is brought onto the answer's scale.
_Raw: TypeAlias = tuple[str, float, Source, Reason, Sequence[Cause]]


class RankedItem(Protocol):
    """What composing needs of contracts.inference.RankedItem."""

    @property
    def item_id(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def evidence(self) -> Sequence[Cause]: ...


class Ranking(Protocol):
    """What composing needs of contracts.inference.Ranking."""

    @property
    def items(self) -> Sequence[RankedItem]: ...
    @property
    def confident(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What came of asking the model: an outcome, and a ranking exactly when the outcome is an answer."""

    outcome: Reason
    elapsed_ms: float = 0.0
    ranking: Ranking | None = None
    model_version: str | None = None
    # Set when the user's history could not be read, and the model was asked with what was known in memory, if anything.
    history_trouble: Reason | None = None
    busy: bool = False  # inference, or a proxy before it, has too much to do: whose model it is does not matter


class Candidate(NamedTuple):
    """An item of the answer; its causes strongest first."""

    item_id: str
    score: float
    source: Source
    reason: Reason
    because: Sequence[Cause] = ()


class Tried(NamedTuple):
    """A source that was tried, what came of it and how many items of the answer it gave."""

    source: Source
    outcome: Reason
    items: int
    elapsed_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Composed:
    """The decided answer: candidates with scores in 0..1 that never rise, and the reasons for all of it."""

    candidates: list[Candidate]
    source: Source
    reason: Reason
    degraded: bool
    model_version: str | None
    attempts: list[Tried]


def compose(shelf: Shelf, query: Query, reply: ModelReply, rungs: Sequence[Rung]) -> Composed:
    """The answer from the model's `reply` and the baseline's `rungs`; never fewer items than those have."""
    personal, outcome = _personal(shelf, query, reply)
    chosen: list[_Raw] = personal
    if len(chosen) < query.k:
        chosen = [*personal, *_filling(rungs, {item_id for item_id, *_ in personal})][: query.k]
    candidates = _explained(shelf, query, _level(chosen))
    kept = [candidate.source for candidate in candidates]
    asked = [Tried(Source.MODEL, outcome, kept.count(Source.MODEL), reply.elapsed_ms)]
    if reply.history_trouble not in {None, outcome}:
        asked.insert(0, Tried(Source.MODEL, reply.history_trouble, 0))
    attempts = asked + [Tried(rung.source, rung.outcome, kept.count(rung.source)) for rung in rungs]
    return Composed(
        candidates,
        source=kept[0] if kept else Source.STATIC,
        reason=outcome if kept else Reason.EMPTY_CATALOG,
        degraded=any(attempt.outcome in TROUBLE for attempt in attempts),
        model_version=reply.model_version if personal else None,
        attempts=attempts,
    )


def _personal(shelf: Shelf, query: Query, reply: ModelReply) -> tuple[list[_Raw], Reason]:
    """The model's best k eligible candidates and why they are, or are not, the answer."""
    ranking, outcome = reply.ranking, reply.outcome
    if ranking is None:
        return [], outcome
    if not is_sound(ranking):
        return [], Reason.INFERENCE_INVALID
    if not ranking.items:
        return [], Reason.EMPTY_MODEL_ANSWER
    if not ranking.confident:
        return [], Reason.LOW_CONFIDENCE
    eligible = (item for item in ranking.items if admits(shelf, query, item.item_id))
    personal: list[_Raw] = [
        (item.item_id, item.score, Source.MODEL, outcome, item.evidence) for item in islice(eligible, query.k)
    ]
    return (personal, outcome) if personal else ([], Reason.EMPTY_MODEL_ANSWER)


def _filling(rungs: Sequence[Rung], taken: AbstractSet[str]) -> list[_Raw]:
    return [
        (item_id, score, rung.source, rung.outcome, ())
        for rung in rungs
        for item_id, score in rung.items
        if item_id not in taken
    ]


def is_sound(ranking: Ranking) -> bool:
    """Whether a reply keeps the contract that its types cannot express: unique ids, finite scores, best first."""
    before, lowest = float_info.max, -float_info.max
    seen = set()
    for item in ranking.items:
        score = item.score
        if not lowest <= score <= before:  # NaN is in no order
            return False
        before = score
        seen.add(item.item_id)
    return len(seen) == len(ranking.items)


def _level(candidates: Iterable[_Raw]) -> list[Candidate]:
    """Bring the scores of several sources onto one scale.

    Scores of different sources cannot be compared. Each source's run of candidates is scaled so that it starts where
    the run before it ended (the first at 1), which keeps the order inside a source and never lets a score rise.
    """
    levelled: list[Candidate] = []
    start, top, source, ceiling = 1.0, 0.0, None, 1.0
    for item_id, score, candidate_source, reason, because in candidates:
        if candidate_source is not source:
            start, top, source = ceiling, score, candidate_source
        if (share := start * (score / top) if top > 0 else 0.0) < ceiling:
            ceiling = share if share > 0 else 0.0
        levelled.append(Candidate(item_id, ceiling, candidate_source, reason, because))
    return levelled


def _explained(shelf: Shelf, query: Query, candidates: list[Candidate]) -> list[Candidate]:
    """The same candidates, the related ones with their causes."""
    if not any(candidate.source is Source.RELATED for candidate in candidates):
        return candidates
    causes_of = causes_of_related(shelf, query)
    return [
        each._replace(because=causes_of(each.item_id)) if each.source is Source.RELATED else each for each in candidates
    ]
