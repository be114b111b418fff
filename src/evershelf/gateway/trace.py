"""What is kept of an answer so that it can be explained and asked again: bounded, and encoded at once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import orjson
from pydantic import JsonValue

from evershelf.contracts.admin_decisions import FilterReason, Purpose
from evershelf.contracts.placements import Placement
from evershelf.contracts.recommendations import RecommendationRequest
from evershelf.gateway.ask import Decided
from evershelf.gateway.decisions import Decision, EncodedRecord
from evershelf.gateway.parts import Parts
from evershelf.policy.compose import RankedItem
from evershelf.policy.ladder import admits

# What goes beyond is left out and counted: the newest of the history, the best of the candidates.
HISTORY_KEPT = 50
CANDIDATES_KEPT = 60
EXCLUDED_KEPT = 50
PLACEMENTS_ENCODED_MAX = 256


def recorded(
    parts: Parts,
    decided: Decided,
    head: dict[str, JsonValue],
    recommendation_id: UUID,
    purpose: Purpose = Purpose.ANSWER,
) -> Decision:
    """The decision record of an answer whose `head` is as it was told."""
    ask, composed = decided.ask, decided.composed
    return Decision(
        recommendation_id=recommendation_id,
        decided_at=datetime.fromtimestamp(ask.clock.unix_s(), UTC),
        placement=ask.placement.name,
        user_id=ask.request.user_id,
        session_id=ask.request.session_id,
        source=composed.source,
        reason=composed.reason,
        degraded=composed.degraded,
        model_version=composed.model_version,
        snapshot_version=ask.shelf.version,
        item_ids=tuple(candidate.item_id for candidate in composed.candidates),
        record=EncodedRecord(orjson.dumps(head | _trace(parts, decided, purpose))),
    )


def _trace(parts: Parts, decided: Decided, purpose: Purpose) -> dict[str, object]:
    ask, now_s = decided.ask, decided.query.now_s
    ranking = decided.reply.ranking
    offered = ranking.items if ranking is not None else ()
    return {
        "purpose": purpose,
        "request": _request(ask.request),
        "excluded_known": len(ask.request.exclude),
        "definition": orjson.Fragment(_definition(ask.placement)),
        "history": [
            (each.item_id, each.event_type, now_s - each.occurred_at_s) for each in decided.history[:HISTORY_KEPT]
        ],
        "history_known": len(decided.history),
        "candidates": _candidates(parts, decided, offered[:CANDIDATES_KEPT]),
        "candidates_known": len(offered),
        "items": [
            (item_id, score, source, reason, [(cause.item_id, cause.share) for cause in because])
            for item_id, score, source, reason, because in decided.composed.candidates
        ],
        "history_ms": round(decided.history_ms, 3),
        "inference_ms": round(decided.inference_ms, 3),
    }


def _candidates(
    parts: Parts, decided: Decided, offered: Sequence[RankedItem]
) -> list[tuple[str, float, FilterReason | None]]:
    """What the model offered, and the rule that kept it off; none is asked about what came once the shelf was full."""
    shown = {candidate.item_id for candidate in decided.composed.candidates}
    left, told = len(shown), []
    for each in offered:
        is_shown = each.item_id in shown
        left -= is_shown
        filtered = None if is_shown or left <= 0 else why_not(parts, decided, each.item_id)
        told.append((each.item_id, each.score, filtered))
    return told


def why_not(parts: Parts, decided: Decided, item_id: str) -> FilterReason | None:
    """The rule that keeps the item off this answer, or None."""
    ask, query = decided.ask, decided.query
    if admits(ask.shelf, query, item_id):
        return None
    if item_id in ask.request.exclude:
        return FilterReason.EXCLUDED
    if item_id in ask.request.context_items:
        return FilterReason.ON_THE_PAGE
    if item_id in query.hidden:
        return FilterReason.SEEN
    return hidden_reason(parts, item_id, query.now_s) or FilterReason.OTHER_CATEGORY


def hidden_reason(parts: Parts, item_id: str, now_s: float) -> FilterReason | None:
    """Why nobody is shown this item at present, or None: it may be shown."""
    shelf = parts.snapshots.current
    if shelf.eligible(item_id, now_s):
        return None
    state = parts.mirror.known(item_id)
    if not shelf.knows(item_id) or (state is not None and state.deleted):
        return FilterReason.UNKNOWN
    if state is not None and state.suppressed:
        return FilterReason.SUPPRESSED
    return FilterReason.EXPIRED if shelf.open(item_id) else FilterReason.UNAVAILABLE


def _request(request: RecommendationRequest) -> orjson.Fragment:
    if len(request.exclude) > EXCLUDED_KEPT:
        request = request.model_copy(update={"exclude": request.exclude[:EXCLUDED_KEPT]})
    return orjson.Fragment(request.model_dump_json(exclude_defaults=True))


@lru_cache(maxsize=PLACEMENTS_ENCODED_MAX)
def _definition(placement: Placement) -> bytes:
    return placement.model_dump_json().encode()
