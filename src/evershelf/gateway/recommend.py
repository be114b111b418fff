"""One recommendation: baseline first, the model if it answers in time and holds up, then the explained answer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import orjson
from pydantic import JsonValue

from evershelf.contracts.events import EventType
from evershelf.contracts.inference import CANDIDATES_MAX, Interaction
from evershelf.contracts.placements import Placement, SeenItems
from evershelf.contracts.recommendations import Reason, RecommendationRequest
from evershelf.gateway.decisions import Decision
from evershelf.gateway.history import HistoryEntry, HistoryUnavailable
from evershelf.gateway.outside import Clock
from evershelf.gateway.parts import Parts
from evershelf.gateway.shelf import Shelf
from evershelf.policy.admission import refusal
from evershelf.policy.compose import Composed, ModelReply, compose
from evershelf.policy.ladder import Candidate, Query, baseline

# Asked from the model beyond k: room for what eligibility may still remove.
CANDIDATES_SPARE = 20
# Of what is left when the history is read; the rest is for inference, which can do without a slow history.
HISTORY_SHARE_MAX = 0.5
_OWNED = frozenset({EventType.PURCHASE, EventType.CONSUME, EventType.RATE})


@dataclass(frozen=True, slots=True)
class Ask:
    """One request on its way: what is asked, by when (monotonic seconds) it must be answered, and on which shelf."""

    request: RecommendationRequest
    placement: Placement
    deadline_ms: int
    began_s: float
    shelf: Shelf
    clock: Clock

    def remaining_ms(self, reserve_ms: float) -> float:
        """What is left of the budget, less what composing and sending take."""
        return self.deadline_ms - reserve_ms - (self.clock.monotonic_s() - self.began_s) * 1_000


async def recommend(parts: Parts, ask: Ask) -> bytes:
    """The answer's JSON before the deadline, whatever the dependencies do."""
    known = parts.history.cached(ask.request.user_id, ask.request.session_id)
    query = _query(ask, known)
    fallback = baseline(ask.shelf, query)
    reply = await _ask_model(parts, ask, query)
    history = parts.history.cached(ask.request.user_id, ask.request.session_id)
    if history != known:  # read from PostgreSQL meanwhile: rules that depend on it hold for the baseline too
        query = _query(ask, history)
        fallback = baseline(ask.shelf, query)
    composed = compose(ask.shelf, query, reply, fallback)
    return _answer(parts, ask, composed)


def _query(ask: Ask, history: Sequence[HistoryEntry]) -> Query:
    request, placement = ask.request, ask.placement
    hidden = {*request.exclude, *request.context_items}
    if placement.seen_items is not SeenItems.SHOW:
        hide_all = placement.seen_items is SeenItems.HIDE
        hidden.update(entry.item_id for entry in history if hide_all or entry.event_type in _OWNED)
    return Query(
        k=request.k or placement.k,
        ladder=placement.ladder,
        history=tuple(dict.fromkeys(entry.item_id for entry in history)),
        context_items=request.context_items,
        category=request.category,
        hidden=frozenset(hidden),
        now_s=ask.clock.unix_s(),
    )


async def _ask_model(parts: Parts, ask: Ask, query: Query) -> ModelReply:
    """The model branch as a task that is waited for until the deadline and then abandoned, never awaited past it."""
    limits = parts.settings
    remaining_ms = ask.remaining_ms(_reserve_ms(parts))
    refused = refusal(
        query,
        remaining_ms=remaining_ms,
        budget_ms_min=limits.gateway_inference_budget_ms_min,
        in_flight=parts.inference.in_flight,
        in_flight_max=limits.gateway_inference_concurrency_max,
    )
    if refused is not None:
        return ModelReply(refused)
    task = asyncio.create_task(_model_branch(parts, ask, query))
    parts.inference.hold(task)
    done, _ = await asyncio.wait({task}, timeout=remaining_ms / 1_000)
    if not done:
        task.cancel()
        return ModelReply(Reason.DEADLINE_EXCEEDED, remaining_ms)
    try:
        return task.result()
    except Exception as error:  # noqa: BLE001 - the source boundary: no bug of the model branch may cost the answer
        parts.telemetry.caught("model_branch", error)
        return ModelReply(Reason.INTERNAL_ERROR)


def _reserve_ms(parts: Parts) -> float:
    """Kept back from the deadline: what composing and sending take, and how late the event loop will run us."""
    return parts.settings.gateway_answer_reserve_ms + parts.loop_lag.lag_ms


async def _model_branch(parts: Parts, ask: Ask, query: Query) -> ModelReply:
    request = ask.request
    history, trouble = await _history(parts, ask)
    interactions = _interactions(request.context_items, history, query.now_s)
    if not interactions:
        return ModelReply(trouble or Reason.NO_HISTORY, history_trouble=trouble)
    reply = await parts.inference.rank(
        interactions,
        k=min(query.k + CANDIDATES_SPARE, CANDIDATES_MAX),
        exclude=sorted(_query(ask, history).hidden),
        answered=Reason.CONTEXTUAL if request.context_items else Reason.PERSONALIZED,
        remaining_ms=ask.remaining_ms(_reserve_ms(parts)),
    )
    return replace(reply, history_trouble=trouble)


async def _history(parts: Parts, ask: Ask) -> tuple[Sequence[HistoryEntry], Reason | None]:
    """The user's history, read within its share of the budget; else what memory holds of it, and what went wrong."""
    who = ask.request.user_id, ask.request.session_id
    load = asyncio.create_task(parts.history.load(*who))
    share_ms = HISTORY_SHARE_MAX * ask.remaining_ms(_reserve_ms(parts))
    try:
        await asyncio.wait({load}, timeout=share_ms / 1_000)
        return (load.result(), None) if load.done() else (parts.history.cached(*who), Reason.HISTORY_UNAVAILABLE)
    except HistoryUnavailable:
        return parts.history.cached(*who), Reason.HISTORY_UNAVAILABLE
    finally:
        load.cancel()  # only this waiting: who else waits for the same history still gets it


def _interactions(context: Sequence[str], history: Sequence[HistoryEntry], now_s: float) -> list[Interaction]:
    """What the model is told, newest first: the items on the page count as viewed this moment."""
    viewed = [Interaction(item_id=item_id, event_type=EventType.VIEW_ITEM, age_s=0.0) for item_id in context]
    past = (
        Interaction(item_id=e.item_id, event_type=e.event_type, age_s=max(0.0, now_s - e.occurred_at_s))
        for e in history
    )
    return [*viewed, *past]


def _answer(parts: Parts, ask: Ask, composed: Composed) -> bytes:
    now_s, recommendation_id = ask.clock.unix_s(), parts.outside.new_id()
    elapsed_ms = (ask.clock.monotonic_s() - ask.began_s) * 1_000
    head: dict[str, JsonValue] = {
        "recommendation_id": str(recommendation_id),
        "placement": ask.placement.name,
        "source": composed.source,
        "reason": composed.reason,
        "degraded": composed.degraded,
        "model_version": composed.model_version,
        "snapshot": {"version": ask.shelf.version, "age_s": round(max(0.0, now_s - ask.shelf.created_at_s), 3)},
        "deadline_ms": ask.deadline_ms,
        "elapsed_ms": round(elapsed_ms, 3),
        "attempts": [
            {"source": t.source, "outcome": t.outcome, "items": t.items, "elapsed_ms": round(t.elapsed_ms, 3)}
            for t in composed.attempts
        ],
    }
    parts.telemetry.answered(
        ask.placement.name, composed.source, composed.reason,
        degraded=composed.degraded, elapsed_s=elapsed_ms / 1_000, deadline_s=ask.deadline_ms / 1_000,
    )  # fmt: skip
    parts.decisions.record(_decision(ask, composed, recommendation_id, now_s, head))
    items = [_item(ask.shelf, rank, candidate) for rank, candidate in enumerate(composed.candidates, start=1)]
    return orjson.dumps(head | {"items": items})


def _decision(
    ask: Ask, composed: Composed, recommendation_id: UUID, now_s: float, head: dict[str, JsonValue]
) -> Decision:
    return Decision(
        recommendation_id=recommendation_id,
        decided_at=datetime.fromtimestamp(now_s, UTC),
        placement=ask.placement.name,
        user_id=ask.request.user_id,
        session_id=ask.request.session_id,
        source=composed.source,
        reason=composed.reason,
        degraded=composed.degraded,
        model_version=composed.model_version,
        snapshot_version=ask.shelf.version,
        item_ids=tuple(candidate.item_id for candidate in composed.candidates),
        record=head,
    )


def _item(shelf: Shelf, rank: int, candidate: Candidate) -> dict[str, object]:
    return {
        "item_id": candidate.item_id,
        "rank": rank,
        "score": candidate.score,
        "source": candidate.source,
        "reason": candidate.reason,
        "because": [{"item_id": item_id, "share": share} for item_id, share in candidate.because],
        "item": orjson.Fragment(shelf.body(candidate.item_id)),
    }
