"""One request on its way through the gateway: what is asked, and what was decided."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evershelf.contracts.placements import Placement
from evershelf.contracts.recommendations import Reason, RecommendationRequest
from evershelf.gateway.history import HistoryEntry
from evershelf.gateway.outside import Clock
from evershelf.gateway.shelf import Shelf
from evershelf.policy.compose import Composed, ModelReply
from evershelf.policy.ladder import Query

if TYPE_CHECKING:
    from evershelf.tracing.tracer import Trace


@dataclass(slots=True)
class Waits:
    """What one request has waited for so far, in milliseconds."""

    history_ms: float = 0.0
    began_s: float = 0.0  # monotonic seconds, when the model branch began
    history_read: bool = False  # whether it was PostgreSQL that was waited for; told of traced requests only


@dataclass(frozen=True, slots=True)
class Drilling:
    """What a drill does to one request that it hits."""

    drill_id: str
    history_off: bool = False
    inference_off: bool = False
    inference_delay_ms: int = 0

    async def inference(self, remaining_ms: float) -> Reason | None:
        """Called in place of, or before, asking inference: the outcome that is played, or None to go on and ask.

        Never lasts longer than `remaining_ms`.
        """
        if self.inference_delay_ms:
            await asyncio.sleep(min(self.inference_delay_ms, max(0.0, remaining_ms)) / 1_000)
            if self.inference_delay_ms >= remaining_ms:
                return Reason.DEADLINE_EXCEEDED
        return Reason.INFERENCE_UNAVAILABLE if self.inference_off else None


@dataclass(frozen=True, slots=True)
class Ask:
    """One request on its way: what is asked, by when (monotonic seconds) it must be answered, and on which shelf."""

    request: RecommendationRequest
    placement: Placement
    deadline_ms: int
    began_s: float
    shelf: Shelf
    clock: Clock
    waits: Waits = field(default_factory=Waits)
    drill: Drilling | None = None
    trace: "Trace | None" = None
    live: bool = (
        True  # asked by a caller; else an operator or a rehearsal asks: no drill touches it, no trial counts it
    )

    def remaining_ms(self, reserve_ms: float) -> float:
        """What is left of the budget, less what composing and sending take."""
        return self.deadline_ms - reserve_ms - (self.clock.monotonic_s() - self.began_s) * 1_000


@dataclass(frozen=True, slots=True)
class Decided:
    """One answer, decided and not yet told: what was known, what came back, and where the time went."""

    ask: Ask
    query: Query
    history: Sequence[HistoryEntry]
    reply: ModelReply
    composed: Composed
    history_ms: float
    inference_ms: float
