"""The kill loop: processes are killed at random instants while events are sent; what was acknowledged must be there."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from random import Random
from uuid import uuid4

from evershelf.drills.load import Load, event_asks, events_stream, judged
from evershelf.drills.plan import Plan
from evershelf.drills.rig import GATEWAY, Rig
from evershelf.drills.settling import missing_events
from evershelf.drills.watch import Watched, watch

BATCHES_PER_S = 100.0
LIFE_S_MIN = 0.02
LIFE_S_MAX = 0.6
ROUND_S_MAX = 12.0
# Every so many kills PostgreSQL dies instead: its crash recovery and the shipper's second try are part of the promise.
POSTGRES_EVERY = 10


@dataclass(frozen=True, slots=True)
class KillReport:
    """What the loop did and what became of the events."""

    gateway_kills: int
    postgres_kills: int
    seconds: float
    batches_sent: int
    acknowledged: int
    not_acknowledged: int
    lost: int
    stored_twice: int
    looks: int
    unbalanced: int
    ready_s_max: float

    @property
    def broken(self) -> list[str]:
        """What did not hold; empty after a good loop."""
        found = {
            "drill: nothing was acknowledged": not self.acknowledged,
            f"G9: {self.lost} of {self.acknowledged} acknowledged events are nowhere": self.lost,
            f"G10: {self.stored_twice} events are stored twice": self.stored_twice,
            f"G11: the books did not balance at {self.unbalanced} of {self.looks} looks": self.unbalanced,
        }
        return [each for each, is_found in found.items() if is_found]

    @property
    def passed(self) -> bool:
        """Whether all held."""
        return not self.broken


async def kill_loop(rig: Rig, *, kills: int, seed: int) -> KillReport:
    """Kills `kills` times with SIGKILL, each time after a random life of 20 to 600 ms."""
    chance, user = Random(seed), f"kill-loop-{uuid4().hex}"  # noqa: S311 - a replayable draw is the point
    seconds = kills * ROUND_S_MAX
    items = sorted(rig.shop.catalog.eligible)
    asks = event_asks(rig.shop.key, user, items, int(min(seconds, kills * 4 + 30) * BATCHES_PER_S))
    stream = events_stream((rig.ports[GATEWAY],), asks, BATCHES_PER_S)
    load = Load(Plan(len(asks) / BATCHES_PER_S, (stream,), seed=seed, give_up_s=1.0))
    seen, began_s, ready_s, postgres_kills = Watched(), time.monotonic(), 0.0, 0
    watching = asyncio.create_task(watch(rig, seen))
    try:
        for number in range(1, kills + 1):
            await asyncio.sleep(chance.uniform(LIFE_S_MIN, LIFE_S_MAX))
            if number % POSTGRES_EVERY == 0:
                postgres_kills += 1
                os.kill(rig.postgres.pid, signal.SIGKILL)
                rig.postgres.stop()
                rig.start_postgres()
            else:
                rig.kill(GATEWAY)
                ready_s = max(ready_s, rig.start_gateway())
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        load.end()
    try:
        outcome = judged(load, rig.shop.catalog)
        batches = sum(1 for _ in load.answers())
    finally:
        load.close()
    lost, twice = await missing_events(rig, user, outcome.acknowledged)
    return KillReport(
        kills - postgres_kills, postgres_kills, time.monotonic() - began_s, batches, len(outcome.acknowledged),
        batches - len(outcome.acknowledged), lost, twice, len(seen.looks), seen.unbalanced, ready_s,
    )  # fmt: skip
