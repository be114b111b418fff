"""Rehearsal: a rung that nobody has needed for a while is asked anyway, so that it is known to stand before it must."""

import asyncio

from evershelf.contracts.placements import Placement
from evershelf.contracts.recommendations import RecommendationRequest, Source
from evershelf.gateway.background import end
from evershelf.gateway.parts import Parts
from evershelf.gateway.preview import considered

LOOK_EVERY_S = 30.0
FIRST_LOOK_S = 2.0
# A rung is asked again when it neither served nor was rehearsed for so long; well within the hour that is promised.
REST_S_MAX = 1_800.0
NAME = "rehearsal"


class Rehearsals:
    """A background task: production code on the live shelf, with the newest user; counted nowhere as an answer."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to look for rungs that rest."""
        self._task = asyncio.create_task(self._run(), name="rehearsals")

    async def close(self) -> None:
        """Ends it."""
        await end(self._task)

    async def rehearse(self, rung: Source) -> int:
        """Asks one rung alone and returns how many items it had to offer."""
        parts = self._parts
        placement = Placement(name=NAME).model_copy(update={"ladder": (rung,)})
        decided, _ = await considered(parts, self._request(), placement)
        items = sum(attempt.items for attempt in decided.composed.attempts if attempt.source is rung)
        parts.series.rehearsed(rung, items)
        return items

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_LOOK_S)
        while True:
            for rung in Source:
                if self._parts.series.proven_age_s(rung) > REST_S_MAX:
                    try:
                        await self.rehearse(rung)
                    except Exception as error:  # noqa: BLE001 - the source boundary: a rung that breaks is what this is for
                        self._parts.telemetry.caught("rehearsal", error)
            await asyncio.sleep(LOOK_EVERY_S)

    def _request(self) -> RecommendationRequest:
        """As the newest known user on the page of the most popular item: every rung has something to go by."""
        newest = self._parts.decisions.matching(lambda each: each.user_id is not None, 1)
        popular = self._parts.snapshots.current.popular()
        return RecommendationRequest(
            placement=NAME,
            user_id=newest[0].user_id if newest else None,
            context_items=tuple(item_id for item_id, _ in popular[:1]),
        )
