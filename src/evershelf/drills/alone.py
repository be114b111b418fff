"""The gateway alone: PostgreSQL and inference gone, itself killed and started again; it must go on answering (G8)."""

import asyncio
import signal
import time
from dataclasses import dataclass

from evershelf.drills.assess import LATE_SHARE_MAX, MEMORY_BYTES_MAX
from evershelf.drills.figures import Figures, figures
from evershelf.drills.load import Load, event_asks, events_stream, judged
from evershelf.drills.plan import Plan, Stream
from evershelf.drills.rig import GATEWAY, INFERENCE, Rig
from evershelf.drills.settling import missing_events
from evershelf.drills.soak import SLOPE_MB_PER_HOUR_MAX, SLOPE_S_MIN, slope_mb_per_hour
from evershelf.drills.watch import Watched, watch

READY_S_MAX = 2.0
ASKS = 2_000
EVENTS_PER_S = 10.0
# The middle half of the answers may take so much longer at the end than at the beginning.
SLOWER_MS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class AloneReport:
    """What callers of a lonely gateway got. `first` and `last` are the first and the last third of the time."""

    seconds: float
    ready_s: float
    first: Figures
    last: Figures
    all: Figures
    from_model: int
    memory_max_bytes: int
    memory_slope_mb_per_hour: float
    acknowledged: int
    refused: int
    lost: int
    unbalanced: int

    @property
    def broken(self) -> list[str]:
        """What did not hold; empty where G8 did."""
        told = self.all
        steep = self.memory_slope_mb_per_hour > SLOPE_MB_PER_HOUR_MAX and self.seconds >= SLOPE_S_MIN
        slower_ms = self.last.p50_ms - self.first.p50_ms
        found = {
            f"G8: ready only after {self.ready_s:.1f} s": self.ready_s > READY_S_MAX,
            f"G8: {slower_ms:.1f} ms slower at the end": slower_ms > SLOWER_MS_MAX,
            f"G8: memory grew by {self.memory_slope_mb_per_hour:.0f} MB an hour": steep,
            f"G1, G4: {told.wrong} answers were none or invalid": told.wrong,
            f"G2: {told.late} of {told.requests} late": told.late > LATE_SHARE_MAX * told.requests,
            f"G2: {told.far_too_late} far too late": told.far_too_late,
            f"G5: {self.from_model} answers by a model that could not be asked": self.from_model,
            f"G9: {self.lost} of {self.acknowledged} acknowledged events are nowhere": self.lost,
            f"G11: the books did not balance at {self.unbalanced} looks": self.unbalanced,
            f"G12: {self.refused} batches of events were refused": self.refused,
            f"G25: {self.memory_max_bytes >> 20} MiB of memory": self.memory_max_bytes > MEMORY_BYTES_MAX,
        }
        return [each for each, is_found in found.items() if is_found]

    @property
    def passed(self) -> bool:
        """Whether all held."""
        return not self.broken


async def alone(rig: Rig, *, seconds: float, rate_per_s: float, seed: int) -> AloneReport:
    """Stops PostgreSQL and inference, restarts the gateway, sends for `seconds`; then all is back, events too."""
    user = f"alone-{time.time_ns()}"
    asks = tuple(rig.shop.asks(ASKS, seed=seed, strangers_share=0.05))
    events = event_asks(rig.shop.key, user, sorted(rig.shop.catalog.eligible), int(seconds * EVENTS_PER_S))
    port, seen = (rig.ports[GATEWAY],), Watched()
    rig.kill(INFERENCE)
    rig.stop_postgres()
    try:
        rig.kill(GATEWAY, signal.SIGKILL)
        ready_s = rig.start_gateway()
        streams = Stream("recommendations", port, rate_per_s, asks), events_stream(port, events, EVENTS_PER_S)
        load = Load(Plan(seconds, streams, seed=seed))
        watching = asyncio.create_task(watch(rig, seen))
        try:
            await asyncio.to_thread(load.wait, seconds + 30.0)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            load.end()
    finally:
        rig.start_postgres()
        rig.start_again(INFERENCE)
    try:
        outcome = judged(load, rig.shop.catalog)
    finally:
        load.close()
    lost, _ = await missing_events(rig, user, outcome.acknowledged)
    third_s, all_asks = seconds / 3, [stream.asks for stream in load.plan.streams]

    def part(number: int) -> Figures:
        from_s = load.began_s + number * third_s
        chosen = [v for v in outcome.verdicts if from_s <= v.answer.due_s < from_s + third_s]
        return figures(chosen, all_asks, seconds=third_s)

    return AloneReport(
        seconds, ready_s, part(0), part(2), figures(outcome.verdicts, all_asks, seconds=seconds),
        sum(verdict.is_model for verdict in outcome.verdicts),
        max((look.memory_bytes for look in seen.looks), default=0), slope_mb_per_hour(seen.looks),
        len(outcome.acknowledged), outcome.events_refused, lost, seen.unbalanced,
    )  # fmt: skip
