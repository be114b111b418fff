"""Overload: finds the rate at which the model still answers nearly all, then offers 2, 5 and 10 times as much."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from evershelf.drills.figures import Figures, figures
from evershelf.drills.load import Load, judged
from evershelf.drills.plan import Plan, Stream
from evershelf.drills.rig import GATEWAY, INFERENCE, Rig

ASKS = 2_000
TRIAL_S = 4.0
START_PER_S = 100.0
STEP = 1.25
RATE_PER_S_MAX = 5_000.0
IN_TIME_MIN = 0.99
MODEL_MIN = 0.95
REST_S = 5.0
RECOVERY_S = 10.0
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
    def passed(self) -> bool:
        """Whether both targets were met, without an exception or an invalid answer."""
        wrong = sum(self.figures.exceptions.values()) + sum(self.figures.faults.values())
        return not wrong and self.in_time_share >= self.in_time_target and self.model_per_s >= self.model_target_per_s


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
    def passed(self) -> bool:
        """G13, G14 and G18 together."""
        grown = self.memory_max_bytes > 1.1 * self.memory_before_bytes
        back = self.goodput_after_per_s >= 0.95 * self.goodput_before_per_s
        return all(step.passed for step in (*self.steps, self.bulk)) and back and not grown and not self.crashed


async def overload(rig: Rig, *, seconds: float, seed: int) -> OverloadReport:
    """Offers each multiple of the peak for `seconds`."""
    peak_per_s = await find_peak(rig, seed=seed)
    before = await _offer(rig, peak_per_s * 0.8, TRIAL_S, seed=seed)
    pid, memory = rig.processes[GATEWAY].pid, rig.memory_bytes()
    memory_max, steps = memory, []
    for times, in_time, model in TARGETS:
        told = await _offer(rig, peak_per_s * times, seconds, seed=seed)
        memory_max = max(memory_max, rig.memory_bytes())
        steps.append(_step(times, peak_per_s, told, in_time, model))
        await asyncio.sleep(REST_S)
    after = await _offer(rig, peak_per_s * 0.8, RECOVERY_S, seed=seed)
    bulk = await _with_bulk(rig, peak_per_s, seconds, seed=seed)
    crashed = rig.processes[GATEWAY].pid != pid or not rig.is_running(INFERENCE)
    return OverloadReport(
        peak_per_s, steps, bulk, before.goodput_per_s, after.goodput_per_s, memory, memory_max, crashed
    )


async def find_peak(rig: Rig, *, seed: int) -> float:
    """The highest rate, in steps of a quarter, with 99 % valid in time and 95 % from the model."""
    rate, best = START_PER_S, START_PER_S
    while rate < RATE_PER_S_MAX:
        told = await _offer(rig, rate, TRIAL_S, seed=seed)
        if in_time_share(told) < IN_TIME_MIN or told.model_share < MODEL_MIN:
            break
        best, rate = rate, rate * STEP
        await asyncio.sleep(1.0)
    await asyncio.sleep(REST_S)
    return best


def in_time_share(told: Figures) -> float:
    """Valid answers not later than the budget and 10 ms, of what was offered."""
    bad = sum(told.exceptions.values()) + sum(told.faults.values()) + told.late
    return max(0.0, (told.requests - bad) / told.requests) if told.requests else 0.0


def _step(times: float, peak_per_s: float, told: Figures, in_time: float, model: float) -> Step:
    model_per_s = told.sources.get("model", 0) / told.seconds
    return Step(times, peak_per_s * times, in_time_share(told), in_time, model_per_s, model * peak_per_s, told)


async def _with_bulk(rig: Rig, peak_per_s: float, seconds: float, *, seed: int) -> Step:
    """Interactive traffic at half the peak beside bulk traffic at 12 times the peak; only the former is judged."""
    bulk = _stream(rig, "bulk", peak_per_s * BULK_TIMES, seed=seed + 1, headers={PRIORITY_HEADER: "bulk"})
    interactive = _stream(rig, "interactive", peak_per_s / 2, seed=seed)
    told = await _run(rig, (interactive, bulk), seconds, seed=seed, judge_only="interactive")
    return _step(BULK_TIMES, peak_per_s, told, BULK_INTERACTIVE_MIN, 0.0)


async def _offer(rig: Rig, rate_per_s: float, seconds: float, *, seed: int) -> Figures:
    return await _run(rig, (_stream(rig, "all", rate_per_s, seed=seed),), seconds, seed=seed, judge_only="all")


async def _run(rig: Rig, streams: tuple[Stream, ...], seconds: float, *, seed: int, judge_only: str) -> Figures:
    load = Load(Plan(seconds, streams, seed=seed, connections_max=2_000, give_up_s=3.0))
    try:
        await asyncio.to_thread(load.wait, seconds + 30)
        verdicts = judged(load, rig.shop.catalog).verdicts
    finally:
        load.close()
    wanted = next(number for number, stream in enumerate(streams) if stream.name == judge_only)
    chosen = [verdict for verdict in verdicts if verdict.answer.stream == wanted]
    return figures(chosen, [stream.asks for stream in streams], seconds=seconds)


def _stream(rig: Rig, name: str, rate_per_s: float, *, seed: int, headers: Mapping[str, str] | None = None) -> Stream:
    asks = rig.shop.asks(ASKS, seed=seed)
    if headers:
        asks = [ask.with_headers(headers) for ask in asks]
    return Stream(name, (rig.ports[GATEWAY],), rate_per_s, tuple(asks))
