"""One scenario from beginning to end: load, fault, heal, liveness; then everything is judged."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from evershelf.drills.assess import Broken, Observed, Phases, Timeline, broken, detected_after_s, returned_after_s
from evershelf.drills.figures import Figures, figures
from evershelf.drills.gateway_faults import SECOND
from evershelf.drills.judge import Verdict
from evershelf.drills.load import Load, event_asks, events_stream, judged
from evershelf.drills.plan import BUDGET_MS, Plan, Stream
from evershelf.drills.rig import GATEWAY, INFERENCE, Rig
from evershelf.drills.row import Component, Row
from evershelf.drills.settling import missing_events
from evershelf.drills.watch import Watched, watch

HEAL_S_MAX = 120.0
WARM_S_MAX = 200.0
EVENTS_PER_S = 5.0
ASKS = 2_000
STRANGERS_SHARE = 0.03
_ANSWERS = "evershelf_answers_total{"


@dataclass(frozen=True, slots=True)
class Options:
    """How long and how hard a scenario is."""

    rate_per_s: float = 100.0
    before_s: float = 5.0
    fault_s: float = 8.0
    after_s: float = 11.0
    budget_ms: int = BUDGET_MS
    seed: int = 1


@dataclass(frozen=True, slots=True)
class RowReport:
    """What a scenario showed."""

    name: str
    component: Component
    failure: str
    passed: bool
    broken: list[Broken]
    before: Figures
    fault: Figures
    after: Figures
    detected_after_s: float | None
    returned_90_after_s: float | None
    returned_99_after_s: float | None
    events_acknowledged: int
    events_refused: int
    events_lost: int
    heal_s: float
    memory_bytes_max: int


async def run_row(rig: Rig, row: Row, options: Options) -> RowReport:
    """Runs one scenario on a rig that is well, and leaves it well. Raises CannotInjectError before any load."""
    async with AsyncExitStack() as stack:
        if row.setup is not None:
            await stack.enter_async_context(row.setup(rig))
        await warm_up(rig, options)
        user = f"drill-{row.name}-{time.time_ns()}"
        counted = await asyncio.to_thread(_counted_answers, rig, row)
        load = Load(_plan(rig, row, options, user))
        stack.callback(load.close)
        seen = Watched()
        watching = asyncio.create_task(watch(rig, seen))
        try:
            timeline, felt = await _play(rig, row, options, load)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            load.end()
        counted = _difference(await asyncio.to_thread(_counted_answers, rig, row), counted)
        calls = rig.proxy.calls(INFERENCE, since_s=load.began_s)
        outcome = judged(load, rig.shop.catalog)
        lost, _ = await missing_events(rig, user, outcome.acknowledged)
        observed = Observed(
            row, options.budget_ms, timeline, _phases(outcome.verdicts, load, timeline), outcome.verdicts, calls, felt,
            counted, seen.unbalanced, seen.wrong_doors, len(outcome.acknowledged), lost, outcome.events_refused,
            outcome.events_odd, max((look.memory_bytes for look in seen.looks), default=0),
        )  # fmt: skip
        return _report(observed)


async def warm_up(rig: Rig, options: Options) -> None:
    """Asks once for every user, so that all histories are in memory, and waits for the model to answer.

    A gateway that has been warmed up stays warm for as long as it keeps a history.
    """
    pid = rig.processes[GATEWAY].pid
    if rig.warm_pid == pid and time.monotonic() - rig.warm_at_s < WARM_S_MAX:
        return
    asks = tuple(rig.shop.asks(len(rig.shop.users), seed=options.seed))
    rate = min(options.rate_per_s, 150.0)
    for _ in range(5):
        load = Load(Plan(len(asks) / rate, (Stream("warm", (rig.ports[GATEWAY],), rate, asks),), seed=options.seed))
        try:
            await asyncio.to_thread(load.wait, HEAL_S_MAX)
            told = judged(load, rig.shop.catalog).verdicts
        finally:
            load.close()
        if sum(verdict.is_model for verdict in told[-50:]) >= 45:
            rig.warm_pid, rig.warm_at_s = pid, time.monotonic()
            return


def _plan(rig: Rig, row: Row, options: Options, user: str) -> Plan:
    seconds = options.before_s + options.fault_s + options.after_s + HEAL_S_MAX
    asks = tuple(rig.shop.asks(ASKS, seed=options.seed, budget_ms=options.budget_ms, strangers_share=STRANGERS_SHARE))
    first = rig.ports[GATEWAY]
    events = event_asks(rig.shop.key, user, sorted(rig.shop.catalog.eligible), int(seconds * EVENTS_PER_S))
    if not row.two_gateways:
        streams = [Stream("recommendations", (first,), options.rate_per_s, asks)]
    else:
        second, retries = rig.ports[SECOND], {"retries_max": 1, "retry_after_ms": row.retry_after_ms}
        half = options.rate_per_s / 2
        streams = [
            Stream("first", (first, second), half, asks, **retries),  # type: ignore[arg-type]  # two numbers
            Stream("second", (second, first), half, asks, **retries),  # type: ignore[arg-type]  # two numbers
        ]
    to = rig.ports[SECOND] if row.two_gateways else first
    return Plan(seconds, (*streams, events_stream((to,), events, EVENTS_PER_S)), seed=options.seed)


async def _play(rig: Rig, row: Row, options: Options, load: Load) -> tuple[Timeline, bool]:
    await _sleep_until(load.began_s + options.before_s)
    fault_s = time.monotonic()
    async with row.inject(rig) as felt:
        struck_s = time.monotonic()
        await _sleep_until(struck_s + options.fault_s)
        was_felt = await felt()
        healing_s = time.monotonic()
    healed_s = time.monotonic()
    await _sleep_until(healed_s + options.after_s)
    return Timeline(load.began_s, fault_s, struck_s, healing_s, healed_s, time.monotonic()), was_felt


async def _sleep_until(at_s: float) -> None:
    await asyncio.sleep(max(0.0, at_s - time.monotonic()))


def _phases(verdicts: Sequence[Verdict], load: Load, timeline: Timeline) -> Phases:
    """What was under way when the fault came belongs to the fault; after healing, the scheduled time decides."""
    asks = [stream.asks for stream in load.plan.streams]
    fault_s, healed_s, ended_s = timeline.fault_s, timeline.healed_s, timeline.ended_s
    settled_s = (healed_s + ended_s) / 2
    before = [v for v in verdicts if v.answer.done_s < fault_s]
    fault = [v for v in verdicts if v.answer.done_s >= fault_s and v.answer.due_s < healed_s]
    after = [v for v in verdicts if v.answer.due_s >= healed_s]
    settled = [v for v in after if v.answer.due_s >= settled_s]
    return Phases(
        before=figures(before, asks, seconds=fault_s - timeline.began_s),
        fault=figures(fault, asks, seconds=healed_s - fault_s),
        after=figures(after, asks, seconds=ended_s - healed_s),
        settled=figures(settled, asks, seconds=ended_s - settled_s),
    )


def _counted_answers(rig: Rig, row: Row) -> dict[str, float] | None:
    """The gateways' own counts by source and reason, and what tells one process from the next."""
    names = (GATEWAY, SECOND) if row.two_gateways else (GATEWAY,)
    total: dict[str, float] = {}
    for name in names:
        for series, value in rig.metrics(name).items():
            if series.startswith(_ANSWERS):
                labels = dict(part.split("=", 1) for part in series[len(_ANSWERS) : -1].split(","))
                key = f"{labels['source']} {labels['reason']}".replace('"', "")
                total[key] = total.get(key, 0.0) + value
        total[f"process {name}"] = float(rig.processes[name].pid or 0)
    return total


def _difference(after: dict[str, float] | None, before: dict[str, float] | None) -> dict[str, float] | None:
    """What was counted meanwhile; None where a process is another one than before."""
    if before is None or after is None:
        return None
    processes = {name for name in (*before, *after) if name.startswith("process ")}
    if any(before.get(name) != after.get(name) for name in processes):
        return None
    return {name: value - before.get(name, 0.0) for name, value in after.items() if name not in processes}


def _report(observed: Observed) -> RowReport:
    row, timeline, found = observed.row, observed.timeline, broken(observed)
    return RowReport(
        name=row.name,
        component=row.component,
        failure=row.failure,
        passed=not found,
        broken=found,
        before=observed.phases.before,
        fault=observed.phases.fault,
        after=observed.phases.after,
        detected_after_s=detected_after_s(observed),
        returned_90_after_s=returned_after_s(observed, 0.9),
        returned_99_after_s=returned_after_s(observed, 0.99),
        events_acknowledged=observed.acknowledged,
        events_refused=observed.events_refused,
        events_lost=observed.lost_events,
        heal_s=timeline.healed_s - timeline.healing_s,
        memory_bytes_max=observed.memory_bytes_max,
    )
