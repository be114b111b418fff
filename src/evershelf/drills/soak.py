"""The soak: half load for a long time with a fault every half minute; memory, descriptors and books are watched."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from evershelf.drills.assess import LATE_SHARE_MAX, MEMORY_BYTES_MAX
from evershelf.drills.figures import Figures, figures
from evershelf.drills.injection import CannotInjectError
from evershelf.drills.load import Load, event_asks, events_stream, judged
from evershelf.drills.matrix import PAIRED, rows
from evershelf.drills.plan import Plan, Stream
from evershelf.drills.rig import GATEWAY, Rig
from evershelf.drills.row import Component, Row
from evershelf.drills.settling import missing_events
from evershelf.drills.watch import Look, Watched, watch

FAULT_EVERY_S = 30.0
FAULT_S = 10.0
EVENTS_PER_S = 10.0
ASKS = 2_000
# A process that has just begun fills its caches; its slope is measured after this share of the time.
WARM_SHARE = 1 / 3
SLOPE_MB_PER_HOUR_MAX = 60.0
SLOPE_S_MIN = 600.0  # a shorter run shows how caches fill, not how memory grows
DESCRIPTORS_GROWTH_MAX = 32


@dataclass(frozen=True, slots=True)
class SoakReport:
    """What the time did to one gateway process. Descriptors: the fewest of the first third, and of the last."""

    seconds: float
    faults: list[str]
    not_felt: list[str]
    figures: Figures
    memory_first_bytes: int
    memory_last_bytes: int
    memory_max_bytes: int
    memory_slope_mb_per_hour: float
    descriptors_first: int
    descriptors_last: int
    acknowledged: int
    lost: int
    looks: int
    unbalanced: int
    crashed: bool

    @property
    def broken(self) -> list[str]:
        """What did not hold; empty after a good soak."""
        told = self.figures
        grown = self.descriptors_last - self.descriptors_first
        steep = self.memory_slope_mb_per_hour > SLOPE_MB_PER_HOUR_MAX and self.seconds >= SLOPE_S_MIN
        found = {
            f"drill: not felt: {', '.join(self.not_felt)}": self.not_felt,
            f"G1, G4: {told.wrong} answers were none or invalid": told.wrong,
            f"G2: {told.late} of {told.requests} late": told.late > LATE_SHARE_MAX * told.requests,
            f"G2: {told.far_too_late} far too late": told.far_too_late,
            f"G8: memory grew by {self.memory_slope_mb_per_hour:.0f} MB an hour": steep,
            f"G9: {self.lost} of {self.acknowledged} acknowledged events are nowhere": self.lost,
            f"G11: the books did not balance at {self.unbalanced} of {self.looks} looks": self.unbalanced,
            f"G25: {grown} more descriptors": grown > DESCRIPTORS_GROWTH_MAX,
            f"G25: {self.memory_max_bytes >> 20} MiB of memory": self.memory_max_bytes > MEMORY_BYTES_MAX,
            "the gateway did not live through it": self.crashed,
        }
        return [each for each, is_found in found.items() if is_found]

    @property
    def passed(self) -> bool:
        """Whether all held."""
        return not self.broken


async def soak(rig: Rig, *, seconds: float, rate_per_s: float, seed: int) -> SoakReport:
    """Runs for `seconds`, a fault of FAULT_S every FAULT_EVERY_S, drawn from the seed."""
    chance, user = Random(seed), f"soak-{time.time_ns()}"  # noqa: S311 - a replayable draw is the point
    events = event_asks(rig.shop.key, user, sorted(rig.shop.catalog.eligible), int((seconds + 60) * EVENTS_PER_S))
    asks = tuple(rig.shop.asks(ASKS, seed=seed, strangers_share=0.05))
    port = (rig.ports[GATEWAY],)
    streams = Stream("recommendations", port, rate_per_s, asks), events_stream(port, events, EVENTS_PER_S)
    load = Load(Plan(seconds + 60, streams, seed=seed))
    seen, faults, not_felt = Watched(), [], []
    watching = asyncio.create_task(watch(rig, seen))
    try:
        while (left_s := load.began_s + seconds - time.monotonic()) > FAULT_EVERY_S:
            row = chance.choice(_drawable())
            await asyncio.sleep(min(FAULT_EVERY_S - FAULT_S, left_s))
            felt = await _strike(rig, row)
            if felt is not None:
                faults.append(row.name)
            if felt is False:
                not_felt.append(row.name)
        await asyncio.sleep(max(0.0, load.began_s + seconds - time.monotonic()))
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        load.end()
    try:
        outcome = judged(load, rig.shop.catalog)
    finally:
        load.close()
    lost, _ = await missing_events(rig, user, outcome.acknowledged)
    looks = seen.looks
    memory, third = [look.memory_bytes for look in looks], max(1, len(looks) // 3)
    fewest = [min(look.descriptors for look in part) for part in (looks[:third], looks[-third:])]
    return SoakReport(
        seconds, faults, not_felt,
        figures(outcome.verdicts, [stream.asks for stream in load.plan.streams], seconds=seconds),
        memory[0], memory[-1], max(memory), slope_mb_per_hour(looks), fewest[0], fewest[1],
        len(outcome.acknowledged), lost, len(looks), seen.unbalanced, not rig.is_running(GATEWAY),
    )  # fmt: skip


def slope_mb_per_hour(looks: Sequence[Look]) -> float:
    """The straight line through the memory of the later looks (least squares), in MB an hour; 0 of fewer than two."""
    later = looks[int(len(looks) * WARM_SHARE) :]
    if len(later) < 2:
        return 0.0
    mean_s = sum(look.at_s for look in later) / len(later)
    mean_bytes = sum(look.memory_bytes for look in later) / len(later)
    spread = sum((look.at_s - mean_s) ** 2 for look in later)
    shared = sum((look.at_s - mean_s) * (look.memory_bytes - mean_bytes) for look in later)
    return shared / spread * 3_600 / 2**20 if spread else 0.0


async def _strike(rig: Rig, row: Row) -> bool | None:
    """Whether the fault was felt; None where this machine does not allow it."""
    try:
        async with row.inject(rig) as felt:
            await asyncio.sleep(FAULT_S)
            return await felt()
    except CannotInjectError:
        return None


def _drawable() -> list[Row]:
    chosen = {*PAIRED, Component.NETWORK}
    return [row for row in rows() if row.component in chosen and row.setup is None and not row.two_gateways]
