"""Turns a decision record into an explanation that a person can read, and compares two of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from evershelf.contracts.admin_decisions import (
    CandidateTold,
    DecisionRow,
    Explanation,
    Filtered,
    FilterReason,
    HistoryItem,
    Moved,
    Origin,
    Purpose,
    ShownItem,
)
from evershelf.contracts.catalog import Item, readable
from evershelf.contracts.events import EventType
from evershelf.contracts.placements import Placement, SeenItems
from evershelf.contracts.recommendations import Attempt, Because, Reason, RecommendationRequest, Source
from evershelf.gateway.catalog_words import title_of
from evershelf.gateway.decisions import Decision, EncodedRecord
from evershelf.gateway.parts import Parts
from evershelf.gateway.shelf import Shelf
from evershelf.policy.seen_items import OWNED

HIDDEN_MAX = 200
OLDER = "Written by an older version of the gateway, which kept less."
CUT = "Of long lists only the first part is kept."
Record = dict[str, Any]  # Any: what stands in the record's JSON, checked where it is told


def row_of(decision: Decision) -> DecisionRow:
    """The decision as one line."""
    return _row(decision, _record(decision))


def explained(parts: Parts, decision: Decision, origin: Origin) -> Explanation:
    """All that is known of the decision."""
    record, shelf, now_s = _record(decision), parts.snapshots.current, parts.outside.clock.unix_s()
    row = _row(decision, record)
    attempts = [Attempt.model_validate(each) for each in record.get("attempts", ())]
    if "request" not in record:
        return _bare(decision, row, attempts=attempts, origin=origin, shelf=shelf, now_s=now_s)
    request = RecommendationRequest.model_validate(record["request"])
    definition = Placement.model_validate(record["definition"])
    history = [_history_item(shelf, *each) for each in record["history"]]
    hidden = list(_hidden(shelf, request, definition, history))
    ranks = {item_id: rank for rank, item_id in enumerate(decision.item_ids, start=1)}
    cut = (
        record["excluded_known"] > len(request.exclude)
        or record["history_known"] > len(history)
        or record["candidates_known"] > len(record["candidates"])
    )
    return Explanation(
        decision=row,
        origin=origin,
        request=request,
        definition=definition,
        attempts=attempts,
        history=history,
        history_known=record["history_known"],
        candidates=[
            CandidateTold(
                item_id=item_id,
                score=score,
                rank=ranks.get(item_id),
                filtered=filtered,
                title=_title(shelf, item_id),
            )
            for item_id, score, filtered in record["candidates"]
        ],
        candidates_known=record["candidates_known"],
        hidden=hidden[:HIDDEN_MAX],
        hidden_known=len(hidden) + record["excluded_known"] - len(request.exclude),
        items=[_shown(shelf, now_s, rank, *each) for rank, each in enumerate(record["items"], start=1)],
        snapshot_age_s=record["snapshot"]["age_s"],
        history_ms=record["history_ms"],
        inference_ms=record["inference_ms"],
        complete=not cut,
        note=CUT if cut else None,
    )


def moves_between(before: Explanation, now: Explanation) -> tuple[list[Moved], float]:
    """Every item of either list with its places, and the share of the earlier list that is in the new one."""
    earlier = {each.item_id: each.rank for each in before.items}
    later = {each.item_id: each.rank for each in now.items}
    moves = [Moved(item_id=each, before=earlier.get(each), now=later.get(each)) for each in {**earlier, **later}]
    kept = len(earlier.keys() & later.keys())
    return moves, kept / len(earlier) if earlier else 1.0


def history_items(parts: Parts, entries: Sequence[tuple[str, EventType, float]]) -> list[HistoryItem]:
    """Interactions (item, kind, age in seconds) with their titles."""
    return [_history_item(parts.snapshots.current, *each) for each in entries]


def _record(decision: Decision) -> Record:
    kept = decision.record
    loaded: Record = orjson.loads(kept.body) if isinstance(kept, EncodedRecord) else dict(kept)
    return loaded


def _row(decision: Decision, record: Record) -> DecisionRow:
    return DecisionRow(
        recommendation_id=decision.recommendation_id,
        decided_at=decision.decided_at,
        placement=decision.placement,
        user_id=decision.user_id,
        session_id=decision.session_id,
        source=decision.source,
        reason=decision.reason,
        degraded=decision.degraded,
        model_version=decision.model_version,
        snapshot_version=decision.snapshot_version,
        items=len(decision.item_ids),
        elapsed_ms=record.get("elapsed_ms"),
        deadline_ms=record.get("deadline_ms"),
        purpose=record.get("purpose", Purpose.ANSWER),
        drill_id=record.get("drill_id"),
    )


def _bare(
    decision: Decision, row: DecisionRow, *, attempts: list[Attempt], origin: Origin, shelf: Shelf, now_s: float
) -> Explanation:
    """What an older record allows to be told."""
    items = [
        _shown(shelf, now_s, rank, item_id, 0.0, decision.source, decision.reason, ())
        for rank, item_id in enumerate(decision.item_ids, start=1)
    ]
    return Explanation(
        decision=row, origin=origin, request=None, definition=None, attempts=attempts, history=[], history_known=0,
        candidates=[], candidates_known=0, hidden=[], hidden_known=0, items=items, snapshot_age_s=None,
        history_ms=None, inference_ms=None, complete=False, note=OLDER,
    )  # fmt: skip


def _hidden(
    shelf: Shelf, request: RecommendationRequest, definition: Placement, history: Sequence[HistoryItem]
) -> Iterator[Filtered]:
    """What the request and the placement's rule on seen items kept out, each item once."""
    reasons = dict.fromkeys(request.exclude, FilterReason.EXCLUDED)
    reasons |= dict.fromkeys(request.context_items, FilterReason.ON_THE_PAGE)
    if definition.seen_items is not SeenItems.SHOW:
        hide_all = definition.seen_items is SeenItems.HIDE
        for each in history:
            if hide_all or each.event_type in OWNED:
                reasons.setdefault(each.item_id, FilterReason.SEEN)
    return (
        Filtered(item_id=item_id, reason=reason, title=_title(shelf, item_id)) for item_id, reason in reasons.items()
    )


def _history_item(shelf: Shelf, item_id: str, event_type: EventType, age_s: float) -> HistoryItem:
    return HistoryItem(
        item_id=item_id, event_type=event_type, age_s=round(max(0.0, age_s), 1), title=_title(shelf, item_id)
    )


def _shown(  # noqa: PLR0917 - the columns of a record's row
    shelf: Shelf,
    now_s: float,
    rank: int,
    item_id: str,
    score: float,
    source: Source,
    reason: Reason,
    because: Sequence[Any],
) -> ShownItem:
    return ShownItem(
        item_id=item_id,
        rank=rank,
        score=score,
        source=source,
        reason=reason,
        because=[Because(item_id=cause, share=share) for cause, share in because],
        eligible_now=shelf.eligible(item_id, now_s),
        item=item_of(shelf, item_id),
    )


def item_of(shelf: Shelf, item_id: str) -> Item | None:
    """The item as the shelf has it, or None."""
    # By orjson, which reads deeper than pydantic: an older snapshot may hold what is left out here.
    return Item.model_validate(readable(orjson.loads(shelf.body(item_id)))) if shelf.has_body(item_id) else None


def _title(shelf: Shelf, item_id: str) -> str | None:
    return title_of(shelf, item_id) if shelf.has_body(item_id) else None
