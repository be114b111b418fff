"""The soak: half load for a long time with a fault every half minute; memory, descriptors and books are watched."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

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
DESCRIPTORS_GROWTH_MAX = 32


@dataclass(frozen=True, slots=True)
class SoakReport:
    """What the time did to one gateway process."""

    seconds: float
    faults: list[str]
    not_felt: list[str]
    figures: Figures
    memory_first_bytes: int
    memory_last_bytes: int
    memory_slope_mb_per_hour: float
    descriptors_first: int
    descriptors_last: int
    acknowledged: int
    lost: int
    looks: int
    unbalanced: int

    @property
    def passed(self) -> bool:
        """No bad answer, nothing lost, books balanced, no growth of descriptors, every fault felt."""
        wrong = sum(self.figures.exceptions.values()) + sum(self.figures.faults.values())
        grown = self.descriptors_last - self.descriptors_first > DESCRIPTORS_GROWTH_MAX
        return not (wrong or self.lost or self.unbalanced or grown or self.not_felt)


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
            if not await _strike(rig, row):
                not_felt.append(row.name)
            faults.append(row.name)
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
    return SoakReport(
        seconds, faults, not_felt,
        figures(outcome.verdicts, [stream.asks for stream in load.plan.streams], seconds=seconds),
        looks[0].memory_bytes, looks[-1].memory_bytes, slope_mb_per_hour(looks),
        looks[0].descriptors, looks[-1].descriptors,
        len(outcome.acknowledged), lost, len(looks), seen.unbalanced,
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


async def _strike(rig: Rig, row: Row) -> bool:
    try:
        async with row.inject(rig) as felt:
            await asyncio.sleep(FAULT_S)
            return await felt()
    except CannotInjectError:
        return True


def _drawable() -> list[Row]:
    chosen = {*PAIRED, Component.NETWORK}
    return [row for row in rows() if row.component in chosen and row.setup is None and not row.two_gateways]
