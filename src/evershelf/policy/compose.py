"""Composing the answer: a valid model reply replaces the baseline, the baseline fills the rest, and both say why."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from operator import ge
from typing import Protocol

from evershelf.contracts.recommendations import TROUBLE, Reason, Source
from evershelf.policy.ladder import Candidate, Query, Shelf, Tried, admits


class Evidence(Protocol):
    """What composing needs of contracts.inference.Evidence, whoever decoded it."""

    @property
    def item_id(self) -> str: ...
    @property
    def share(self) -> float: ...


class RankedItem(Protocol):
    """What composing needs of contracts.inference.RankedItem."""

    @property
    def item_id(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def evidence(self) -> Sequence[Evidence]: ...


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


@dataclass(frozen=True, slots=True)
class Composed:
    """The decided answer: candidates with scores in 0..1 that never rise, and the reasons for all of it."""

    candidates: list[Candidate]
    source: Source
    reason: Reason
    degraded: bool
    model_version: str | None
    attempts: list[Tried]


def compose(shelf: Shelf, query: Query, reply: ModelReply, fallback: tuple[list[Candidate], list[Tried]]) -> Composed:
    """The answer from the model's `reply` and the ladder's `fallback`; never fewer items than the latter."""
    baseline, rungs = fallback
    personal, outcome = _personal(shelf, query, reply)
    chosen = {candidate.item_id: candidate for candidate in personal}
    if len(chosen) < query.k:
        for candidate in baseline:
            chosen.setdefault(candidate.item_id, candidate)
    candidates = _level(list(chosen.values())[: query.k])
    kept = [candidate.source for candidate in candidates]
    asked = [Tried(Source.MODEL, outcome, kept.count(Source.MODEL), reply.elapsed_ms)]
    if reply.history_trouble not in {None, outcome}:
        asked.insert(0, Tried(Source.MODEL, reply.history_trouble, 0))
    attempts = asked + [rung._replace(items=kept.count(rung.source)) for rung in rungs]
    return Composed(
        candidates,
        source=kept[0] if kept else Source.STATIC,
        reason=outcome if kept else Reason.EMPTY_CATALOG,
        degraded=any(attempt.outcome in TROUBLE for attempt in attempts),
        model_version=reply.model_version if personal else None,
        attempts=attempts,
    )


def _personal(shelf: Shelf, query: Query, reply: ModelReply) -> tuple[list[Candidate], Reason]:
    """The model's best k eligible candidates and why they are, or are not, the answer."""
    if reply.ranking is None:
        return [], reply.outcome
    if not is_sound(reply.ranking):
        return [], Reason.INFERENCE_INVALID
    if not reply.ranking.items:
        return [], Reason.EMPTY_MODEL_ANSWER
    if not reply.ranking.confident:
        return [], Reason.LOW_CONFIDENCE
    personal: list[Candidate] = []
    for item in reply.ranking.items:
        if admits(shelf, query, item.item_id):
            because = tuple([(piece.item_id, piece.share) for piece in item.evidence])
            personal.append(Candidate(item.item_id, item.score, Source.MODEL, reply.outcome, because))
            if len(personal) >= query.k:
                break
    return (personal, reply.outcome) if personal else ([], Reason.EMPTY_MODEL_ANSWER)


def is_sound(ranking: Ranking) -> bool:
    """Whether a reply keeps the contract that its types cannot express: unique ids, finite scores, best first."""
    scores = [item.score for item in ranking.items]
    distinct = len({item.item_id for item in ranking.items}) == len(scores)
    return distinct and all(map(isfinite, scores)) and all(map(ge, scores, scores[1:]))


def _level(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Bring the scores of several sources onto one scale.

    Scores of different sources cannot be compared. Each source's run of candidates is scaled so that it starts where
    the run before it ended (the first at 1), which keeps the order inside a source and never lets a score rise.
    """
    levelled: list[Candidate] = []
    start, top, source, ceiling = 1.0, 0.0, None, 1.0
    for item_id, score, candidate_source, reason, because in candidates:
        if candidate_source is not source:
            start, top, source = ceiling, score, candidate_source
        share = score / top if top > 0 else 0.0
        ceiling = max(0.0, min(start * share, ceiling))
        levelled.append(Candidate(item_id, ceiling, candidate_source, reason, because))
    return levelled
