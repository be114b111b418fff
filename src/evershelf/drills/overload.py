"""Overload: finds the rate at which the model still answers nearly all, then offers 2, 5 and 10 times as much."""

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from evershelf.drills.figures import Figures, figures
from evershelf.drills.load import Load, judged
from evershelf.drills.plan import Plan, Stream
from evershelf.drills.rig import GATEWAY, INFERENCE, Rig
from evershelf.drills.run import Options, warm_up

ASKS = 2_000
TRIAL_S = 4.0
START_PER_S = 100.0
STEP = 1.25
RATE_PER_S_MAX = 5_000.0
IN_TIME_MIN = 0.99
MODEL_MIN = 0.95
REST_S = 5.0
RECOVERY_S = 10.0
GOODPUT_KEPT = 0.95
MEMORY_GROWTH_MAX = 1.1
LOOK_S = 0.5
END_S_MAX = 30.0
# G13: (times the peak, valid in-time answers of what was offered, model's answers of the peak's).
TARGETS = ((2.0, 0.99, 0.95), (5.0, 0.97, 0.75), (10.0, 0.90, 0.50))
BULK_TIMES = 12.0
BULK_INTERACTIVE_MIN = 0.994
PRIORITY_HEADER = "X-Request-Priority"


@dataclass(frozen=True, slots=True)
class Step:
    """One rate that was offered, and what came of it."""

    times_peak: float
    offered_per_s: float
    in_time_share: float
    in_time_target: float
    model_per_s: float
    model_target_per_s: float
    figures: Figures

    @property
    def broken(self) -> list[str]:
        """Which targets were missed, and by how much; exceptions and invalid answers too."""
        wrong = self.figures.wrong
        in_time = f"{self.in_time_share:.1%} valid and in time instead of {self.in_time_target:.1%}"
        by_model = f"{self.model_per_s:.0f}/s from the model instead of {self.model_target_per_s:.0f}/s"
        found = {
            f"{wrong} answers were none or invalid": wrong,
            in_time: self.in_time_share < self.in_time_target,
            by_model: self.model_per_s < self.model_target_per_s,
        }
        return [f"{self.times_peak:g}x: {each}" for each, is_found in found.items() if is_found]


@dataclass(frozen=True, slots=True)
class OverloadReport:
    """The peak of this machine, the steps above it, and what was left afterwards."""

    peak_per_s: float
    steps: list[Step]
    bulk: Step
    goodput_before_per_s: float
    goodput_after_per_s: float
    memory_before_bytes: int
    memory_max_bytes: int
    crashed: bool

    @property
    def broken(self) -> list[str]:
        """What did not hold; empty where G13, G14 and G18 did."""
        before, after = self.goodput_before_per_s, self.goodput_after_per_s
        grown = self.memory_max_bytes / self.memory_before_bytes if self.memory_before_bytes else 0.0
        found = {
            f"G14: goodput {after:.0f}/s after, {before:.0f}/s before": after < GOODPUT_KEPT * before,
            f"G13: memory grew to {grown:.0%}": grown > MEMORY_GROWTH_MAX,
            "G13: a process did not live through it": self.crashed,
        }
        steps = [f"G13: {each}" for step in self.steps for each in step.broken]
        return steps + [f"G18: {each}" for each in self.bulk.broken] + [each for each in found if found[each]]

    @property
    def passed(self) -> bool:
        """Whether all held."""
        return not self.broken


async def overload(rig: Rig, *, seconds: float, seed: int) -> OverloadReport:
    """Offers each multiple of the peak for `seconds`. Past the proxy, which would be what is overloaded first."""
    direct = rig.environment(direct=True)
    rig.kill(GATEWAY, signal.SIGTERM)
    rig.start_gateway(
        EVERSHELF_INFERENCE_URL=direct["EVERSHELF_INFERENCE_URL"],
        EVERSHELF_DATABASE_URL=direct["EVERSHELF_DATABASE_URL"],
    )
    try:
        await warm_up(rig, Options(seed=seed))
        return await _climb(rig, seconds=seconds, seed=seed)
    finally:
        rig.kill(GATEWAY)
        rig.start_gateway()


async def _climb(rig: Rig, *, seconds: float, seed: int) -> OverloadReport:
    """The peak, its multiples, and what is left afterwards."""
    peak_per_s = await find_peak(rig, seed=seed)
    before, memory = await _offer(rig, peak_per_s * 0.8, TRIAL_S, seed=seed)
    memory_max, steps = memory, []
    for times, in_time, model in TARGETS:
        told, memory_now = await _offer(rig, peak_per_s * times, seconds, seed=seed)
        memory_max = max(memory_max, memory_now)
        steps.append(_step(times, peak_per_s, told, in_time, model))
        await asyncio.sleep(REST_S)
    after, _ = await _offer(rig, peak_per_s * 0.8, RECOVERY_S, seed=seed)
    bulk, memory_now = await _with_bulk(rig, peak_per_s, seconds, seed=seed)
    crashed = not (rig.is_running(GATEWAY) and rig.is_running(INFERENCE))
    return OverloadReport(
        peak_per_s, steps, bulk, before.goodput_per_s, after.goodput_per_s, memory, max(memory_max, memory_now), crashed
    )


async def find_peak(rig: Rig, *, seed: int) -> float:
    """The highest rate with 99 % valid in time and 95 % from the model: doubled while it holds, then by quarters."""
    best = START_PER_S
    for step in (2.0, STEP):
        while best * step < RATE_PER_S_MAX:
            told, _ = await _offer(rig, best * step, TRIAL_S, seed=seed)
            await asyncio.sleep(1.0)
            if in_time_share(told) < IN_TIME_MIN or told.model_share < MODEL_MIN:
                break
            best *= step
    await asyncio.sleep(REST_S)
    return best


def in_time_share(told: Figures) -> float:
    """Valid answers not later than the budget and 10 ms, of what was offered."""
    return told.in_time / told.requests if told.requests else 0.0


def _step(times: float, peak_per_s: float, told: Figures, in_time: float, model: float) -> Step:
    model_per_s = told.sources.get("model", 0) / told.seconds
    return Step(times, peak_per_s * times, in_time_share(told), in_time, model_per_s, model * peak_per_s, told)


async def _with_bulk(rig: Rig, peak_per_s: float, seconds: float, *, seed: int) -> tuple[Step, int]:
    """Interactive traffic at half the peak beside bulk traffic at 12 times the peak; only the former is judged."""
    bulk = _stream(rig, "bulk", peak_per_s * BULK_TIMES, seed=seed + 1, headers={PRIORITY_HEADER: "bulk"})
    interactive = _stream(rig, "interactive", peak_per_s / 2, seed=seed)
    told, memory = await _run(rig, (interactive, bulk), seconds, seed=seed)
    return _step(BULK_TIMES, peak_per_s, told, BULK_INTERACTIVE_MIN, 0.0), memory


async def _offer(rig: Rig, rate_per_s: float, seconds: float, *, seed: int) -> tuple[Figures, int]:
    return await _run(rig, (_stream(rig, "all", rate_per_s, seed=seed),), seconds, seed=seed)


async def _run(rig: Rig, streams: tuple[Stream, ...], seconds: float, *, seed: int) -> tuple[Figures, int]:
    """The figures of the first stream, and the most memory that the gateway held meanwhile."""
    load = Load(Plan(seconds, streams, seed=seed, connections_max=2_000, give_up_s=3.0))
    try:
        sending, memory = asyncio.create_task(asyncio.to_thread(load.wait, seconds + END_S_MAX)), 0
        while not sending.done():
            memory = max(memory, rig.memory_bytes())
            await asyncio.wait({sending}, timeout=LOOK_S)
        verdicts = judged(load, rig.shop.catalog).verdicts
    finally:
        load.close()
    chosen = [verdict for verdict in verdicts if verdict.answer.stream == 0]
    return figures(chosen, [stream.asks for stream in streams], seconds=seconds), memory


def _stream(rig: Rig, name: str, rate_per_s: float, *, seed: int, headers: Mapping[str, str] | None = None) -> Stream:
    asks = rig.shop.asks(ASKS, seed=seed)
    if headers:
        asks = [ask.with_headers(headers) for ask in asks]
    return Stream(name, (rig.ports[GATEWAY],), rate_per_s, tuple(asks))
