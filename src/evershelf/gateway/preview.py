"""What would be answered now: decided like every answer, told to an operator, counted and recorded nowhere."""

from evershelf.contracts.admin_catalog import Preview
from evershelf.contracts.placements import Placement
from evershelf.contracts.recommendations import Attempt, Because, RecommendationRequest, RecommendedItem
from evershelf.gateway.ask import Ask, Decided
from evershelf.gateway.explain import item_of
from evershelf.gateway.parts import Parts
from evershelf.gateway.recommend import decide


async def considered(
    parts: Parts, request: RecommendationRequest, placement: Placement, deadline_ms: int | None = None
) -> tuple[Decided, float]:
    """The decision on `request` as if `placement` were in force, and the milliseconds it took."""
    clock = parts.outside.clock
    began_s = clock.monotonic_s()
    ask = Ask(
        request, placement, deadline_ms or placement.deadline_ms, began_s, parts.snapshots.current, clock, live=False
    )  # fmt: skip
    decided = await decide(parts, ask)
    return decided, (clock.monotonic_s() - began_s) * 1_000


async def preview(parts: Parts, request: RecommendationRequest, placement: Placement) -> Preview:
    """The answer to `request` under `placement`, which need not be stored."""
    decided, elapsed_ms = await considered(parts, request, placement)
    shelf, composed = decided.ask.shelf, decided.composed
    places = [
        RecommendedItem(
            item_id=each.item_id,
            rank=rank,
            score=each.score,
            source=each.source,
            reason=each.reason,
            because=[Because(item_id=cause.item_id, share=cause.share) for cause in each.because],
            item=item,
        )
        for rank, each in enumerate(composed.candidates, start=1)
        if (item := item_of(shelf, each.item_id)) is not None
    ]
    return Preview(
        placement=placement.name,
        items=places,
        source=composed.source,
        reason=composed.reason,
        degraded=composed.degraded,
        model_version=composed.model_version,
        snapshot_version=shelf.version,
        deadline_ms=decided.ask.deadline_ms,
        elapsed_ms=round(elapsed_ms, 3),
        attempts=[
            Attempt(source=each.source, outcome=each.outcome, items=each.items, elapsed_ms=round(each.elapsed_ms, 3))
            for each in composed.attempts
        ],
    )
