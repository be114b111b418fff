"""One recommendation: baseline first, the model if it answers in time and holds up, then the explained answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from pydantic import JsonValue

from evershelf.contracts.events import EventType
from evershelf.contracts.problems import ProblemType
from evershelf.contracts.recommendations import Reason, RecommendationRequest
from evershelf.gateway import spans
from evershelf.gateway.ask import Ask, Decided
from evershelf.gateway.history import Entries, HistoryUnavailable
from evershelf.gateway.parts import Parts
from evershelf.gateway.problems import ProblemError
from evershelf.gateway.shelf import placed
from evershelf.gateway.trace import recorded
from evershelf.policy.admission import deadline_ms, refusal
from evershelf.policy.compose import ModelReply, compose
from evershelf.policy.ladder import Query, baseline
from evershelf.policy.quality import candidates, quality, with_evidence
from evershelf.policy.seen_items import hidden_items, needs_history
from evershelf.policy.shedding import Service
from evershelf.policy.trace_context import TRACEPARENT

Interaction: TypeAlias = tuple[str, EventType, float]  # item, kind, age in s
# Of what is left when the history is read; the rest is for inference, which can do without a slow history.
HISTORY_SHARE_MAX = 0.5
COMPOSING_MS = 0.4  # what composing and sending one answer takes
SPAN = "recommend"
_encode = msgspec.json.Encoder().encode


class Reply(NamedTuple):
    """An answer as it is sent: JSON, and the headers that are its own."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


async def answered(
    parts: Parts, request: RecommendationRequest, headers: Mapping[str, str], *, began_s: float
) -> Reply:
    """The answer before the deadline, whatever the dependencies do. Otherwise as `begun`."""
    ask = begun(parts, request, headers, began_s=began_s)
    return ask if isinstance(ask, Reply) else await finished(parts, ask)


def begun(parts: Parts, request: RecommendationRequest, headers: Mapping[str, str], *, began_s: float) -> Ask | Reply:
    """The answer if it is shed, else what `finished` makes one of: in hand from now on. Raises unknown-placement.

    `headers` by their names in lower case; `began_s` monotonic, when the request was read.
    """
    placement = parts.mirror.placements.get(request.placement)
    if placement is None:
        known = ", ".join(sorted(parts.mirror.placements))
        raise ProblemError(
            ProblemType.UNKNOWN_PLACEMENT, f"There is no placement {request.placement!r}. Known: {known}."
        )
    budget_ms = deadline_ms(headers, placement.deadline_ms)
    if parts.admission.decide(headers) is Service.SHED:
        return Reply(parts.shed.answer(request, placement, deadline_ms=budget_ms, began_s=began_s))
    try:
        return Ask(
            request, placement, budget_ms, began_s, parts.snapshots.current, parts.outside.clock,
            trace=None if parts.tracer is None else parts.tracer.begin(SPAN, headers.get(TRACEPARENT), began_s=began_s),
        )  # fmt: skip
    except BaseException:
        parts.admission.done()
        raise


async def finished(parts: Parts, ask: Ask) -> Reply:
    """The answer to what was `begun`, which is no longer in hand then."""
    refused = False
    try:
        decided = await decide(parts, ask)
        refused = decided.reply.outcome is Reason.OVERLOADED
        return _answer(parts, decided)
    finally:
        parts.admission.done(refused=refused)


async def decide(parts: Parts, ask: Ask) -> Decided:
    """What to answer before the deadline; counted and recorded nowhere."""
    if parts.drills.active and ask.live:
        ask = parts.drills.touched(ask)
    known = parts.history.cached(ask.request.user_id, ask.request.session_id)
    query = _query(ask, known)
    rungs = baseline(ask.shelf, query)
    asked_s = ask.clock.monotonic_s()
    reply = await _ask_model(parts, ask, query, known)
    asked_ms = (ask.clock.monotonic_s() - asked_s) * 1_000
    history = parts.history.cached(ask.request.user_id, ask.request.session_id)
    if history != known:  # read from PostgreSQL meanwhile: rules that depend on it hold for the baseline too
        query = _query(ask, history)
        rungs = baseline(ask.shelf, query)
    composed = compose(ask.shelf, query, reply, rungs)
    history_ms = min(ask.waits.history_ms, asked_ms)
    return Decided(ask, query, history, reply, composed, history_ms, asked_ms - history_ms)


def _query(ask: Ask, history: Entries) -> Query:
    request, placement = ask.request, ask.placement
    return Query(
        k=request.k or placement.k,
        ladder=placement.ladder,
        history=history.item_ids,
        context_items=request.context_items,
        category=request.category,
        hidden=frozenset(hidden_items(request, placement, history)),
        now_s=ask.clock.unix_s(),
    )


async def _ask_model(parts: Parts, ask: Ask, query: Query, known: Entries) -> ModelReply:
    """What the model says, or why it says nothing. Every wait in here ends at its part of the deadline by itself.

    `known` is the history that `query` was made from.
    """
    lag_ms = parts.loop_lag.lag_ms
    fullness = quality(occupancy=parts.inference.occupancy, lag_share=lag_ms / ask.deadline_ms)
    refused = refusal(
        query,
        remaining_ms=ask.remaining_ms(_reserve_ms(parts)),
        lag_ms=lag_ms,
        budget_ms_min=parts.settings.gateway_inference_budget_ms_min,
        quality=fullness,
    )
    hurried = fullness <= 0.0 or refused is Reason.BUDGET_TOO_SMALL
    if refused is not Reason.NOT_IN_LADDER and parts.rollout.holds_out(ask.request.user_id or ask.request.session_id):
        refused = Reason.HOLDOUT
    if refused is not None and (hurried or not needs_history(ask.placement)):
        return ModelReply(refused)
    try:
        history, trouble = await _history(parts, ask)
        interactions = _interactions(ask.request.context_items, history, query.now_s)
        refused = refused or (None if interactions else trouble or Reason.NO_HISTORY)
        if refused is not None:
            return ModelReply(refused, history_trouble=trouble)
        told = query if history == known else _query(ask, history)
        reply = await _model_branch(parts, ask, told, interactions, quality=fullness)
        return reply if trouble is None else replace(reply, history_trouble=trouble)
    except Exception as error:  # noqa: BLE001 - the source boundary: no bug of the model branch may cost the answer
        parts.telemetry.caught("model_branch", error)
        return ModelReply(Reason.INTERNAL_ERROR)


async def _model_branch(
    parts: Parts, ask: Ask, query: Query, interactions: Sequence[Interaction], *, quality: float
) -> ModelReply:
    request = ask.request
    if ask.drill is not None:
        played = await ask.drill.inference(ask.remaining_ms(_reserve_ms(parts)))
        if played is not None:
            return ModelReply(played)
    asking = partial(
        parts.inference.rank,
        interactions,
        k=candidates(query.k, quality, of_category=query.category is not None),
        exclude=sorted(query.hidden),
        evidence=with_evidence(quality),
        answered=Reason.CONTEXTUAL if request.context_items else Reason.PERSONALIZED,
    )
    model = parts.rollout.model_for(request.user_id or request.session_id)
    reply = await asking(remaining_ms=ask.remaining_ms(_reserve_ms(parts)), model=model, traceparent=spans.calling(ask))
    spans.called(ask, reply)
    if ask.live:
        parts.rollout.saw(reply, ask.shelf, model, asking)
    return reply


async def _history(parts: Parts, ask: Ask) -> tuple[Entries, Reason | None]:
    """The user's history, read within its share of the budget; else what memory holds of it, and what went wrong."""
    who, began_s = (ask.request.user_id, ask.request.session_id), ask.clock.monotonic_s()
    if ask.drill is not None and ask.drill.history_off:
        return parts.history.cached(*who), Reason.HISTORY_UNAVAILABLE
    if ask.trace is not None:
        ask.waits.history_read = not parts.history.complete(*who)
    try:
        return await parts.history.load(*who, within_ms=HISTORY_SHARE_MAX * ask.remaining_ms(_reserve_ms(parts))), None
    except HistoryUnavailable:
        return parts.history.cached(*who), Reason.HISTORY_UNAVAILABLE
    finally:
        ask.waits.began_s, ask.waits.history_ms = began_s, (ask.clock.monotonic_s() - began_s) * 1_000


def _reserve_ms(parts: Parts) -> float:
    """Kept back from the deadline: what composing and sending take, how late the event loop will run us, and our turn.

    All answers in hand may come due together, when inference falls silent: then they are composed one after the other.
    """
    own_ms, turn_ms = parts.settings.gateway_answer_reserve_ms, COMPOSING_MS * parts.admission.in_hand
    return own_ms + turn_ms + parts.loop_lag.lag_ms


def _interactions(context: Sequence[str], history: Entries, now_s: float) -> list[Interaction]:
    """What the model is told, newest first: the items on the page count as viewed this moment."""
    viewed = [(item_id, EventType.VIEW_ITEM, 0.0) for item_id in context]
    return viewed + [(past.item_id, past.event_type, max(0.0, now_s - past.occurred_at_s)) for past in history]


def _answer(parts: Parts, decided: Decided) -> Reply:
    ask, composed = decided.ask, decided.composed
    now_s, recommendation_id = ask.clock.unix_s(), parts.outside.new_id()
    elapsed_ms = (ask.clock.monotonic_s() - ask.began_s) * 1_000
    head = told(decided, recommendation_id, now_s=now_s, elapsed_ms=elapsed_ms)
    parts.telemetry.answered(
        ask.placement.name, composed.source, composed.reason,
        degraded=composed.degraded, elapsed_s=elapsed_ms / 1_000, deadline_s=ask.deadline_ms / 1_000,
    )  # fmt: skip
    try:
        _keep(parts, decided, head, recommendation_id, elapsed_ms)
    except Exception as error:  # noqa: BLE001 - the source boundary: no record of an answer may cost the answer
        parts.telemetry.caught("record", error, recommendation_id=str(recommendation_id))
    return Reply(_encode(head | {"items": placed(ask.shelf, composed.candidates)}), spans.headers(decided, elapsed_ms))


def _keep(
    parts: Parts, decided: Decided, head: dict[str, JsonValue], recommendation_id: UUID, elapsed_ms: float
) -> None:
    """What operators look at later: the series, the decision, the drill's report."""
    parts.series.answered(decided, elapsed_ms)
    parts.decisions.offer(decided.ask.request, partial(recorded, parts, decided, head, recommendation_id))
    spans.end(parts, decided, head, recommendation_id)
    if decided.ask.drill is not None or parts.drills.active:
        parts.drills.answered(decided, elapsed_ms)


def told(decided: Decided, recommendation_id: UUID, *, now_s: float, elapsed_ms: float) -> dict[str, JsonValue]:
    """The answer without its items."""
    ask, composed = decided.ask, decided.composed
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
    return head if ask.drill is None else head | {"drill_id": ask.drill.drill_id}
