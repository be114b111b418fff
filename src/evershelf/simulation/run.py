"""One seed: a safety phase with faults, then healing, convergence, and an account of everything."""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import orjson

from evershelf.contracts.recommendations import Source
from evershelf.gateway.rehearsal import LOOK_EVERY_S
from evershelf.simulation import clients, shop
from evershelf.simulation.clients import Question
from evershelf.simulation.faults import Fault, Happening, schedule
from evershelf.simulation.invariants import Violation, user_calls
from evershelf.simulation.plants import NOTHING, Plant
from evershelf.simulation.traffic import Traffic
from evershelf.simulation.virtual_time import START_S, VirtualLoop
from evershelf.simulation.world import World

SAFETY_S = 20.0
HEAL_S = 13.0
PATIENCE_S = 30.0
WATCH_S = 3.0
CALM_BUDGET_MS = 300
STABLE_USERS = 6
READY_S = 2.0
DEAD_AFTER_CALLS = 20
DEAD_AFTER_S = 1.0
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - a disk that is quick; what matters of disks is simulated


@dataclass(frozen=True, slots=True)
class SeedReport:
    """What one seed gave. The same seed gives the same digest, in whatever process."""

    seed: int
    digest: str
    happenings: tuple[Happening, ...]
    violations: tuple[Violation, ...]
    fired: Counter[Fault] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """The registry that every seed's world begins with, built once, for all processes."""

    folder: Path

    @classmethod
    def build(cls) -> "Template":
        """A new one, in memory where there is a folder for that."""
        root = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
        folder = Path(tempfile.mkdtemp(prefix="evershelf-simulation-", dir=root))
        shop.write_registry(folder / "registry")
        return cls(folder)

    def close(self) -> None:
        """Removes it."""
        shutil.rmtree(self.folder)


def run_seed(
    seed: int, template: Template, *, plant: Plant = NOTHING, happenings: Sequence[Happening] | None = None
) -> SeedReport:
    """Runs one seed; `happenings` replaces the schedule that the seed would draw."""
    random = Random(f"schedule {seed}")
    drawn = tuple(schedule(seed, random, end_s=SAFETY_S) if happenings is None else happenings)
    folder = template.folder / f"seed-{seed}"
    folder.mkdir()
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        world = World(loop, seed, folder=folder, template=template.folder / "registry", plant=plant)
        run = Run(world, seed, drawn)
        try:
            loop.run_until_complete(run.to_its_end())
            return run.report()
        finally:
            loop.run_until_complete(_bury(world))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        shutil.rmtree(folder)


class Run:
    """The phases of one seed."""

    def __init__(self, world: World, seed: int, happenings: tuple[Happening, ...]) -> None:
        self._world = world
        self._seed = seed
        self._happenings = happenings
        self._traffic = Traffic(world, seed)
        self._calls_seen = 0

    def report(self) -> SeedReport:
        """What came of it."""
        world, traffic = self._world, self._traffic
        return SeedReport(
            self._seed, world.digest, self._happenings, tuple(world.checks.violations), world.weather.fired,
            traffic.reasons, traffic.sources, len(traffic.answers), len(world.truth.acked),
        )  # fmt: skip

    async def to_its_end(self) -> None:
        """All phases."""
        world = self._world
        await world.start_gateway()
        watching = asyncio.create_task(self._watch())
        self._traffic.begin()
        await asyncio.gather(*(world.befall(happening) for happening in self._happenings))
        healed_s = max(world.loop.time(), START_S + SAFETY_S)
        await asyncio.sleep(healed_s + HEAL_S - world.loop.time())
        await self._traffic.stop()
        await self._drain()
        watching.cancel()
        self._has_returned(healed_s)
        self._everything_is_stored()
        self._calls_were_few()
        await self._metrics_are_true()
        await self._stands_alone()
        world.note("end", sorted(world.tables.counters.items()), len(world.tables.dead), len(world.inference.calls))

    async def _watch(self) -> None:
        """Looks at the figures every second."""
        while True:
            await asyncio.sleep(WATCH_S)
            self._figures()
            for call in self._world.inference.calls[self._calls_seen :]:
                self._world.note("call", call.at_s, call.budget_ms, call.ended)
            self._calls_seen = len(self._world.inference.calls)

    def _figures(self) -> Mapping[str, float]:
        gateway = self._world.gateway
        if gateway is None:
            return {}
        figures = gateway.figures()
        self._world.checks.conserved(figures)
        return figures

    async def _metrics_are_true(self) -> None:
        """G28: what a scraper reads adds up to the answers that were sent; in the same text, G11 and G24."""
        gateway = self._world.gateway
        if gateway is None:
            return
        answer = await clients.patiently(gateway.request("GET", "/metrics", headers={}), clients.CLIENT_PATIENCE_S)
        if answer is None or answer.status != 200:
            self._world.checks.fail("G28", "no metrics")
            return
        lines = (line for line in answer.body.decode().splitlines() if line and line[0] != "#")
        metrics = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}
        self._world.checks.conserved(metrics)
        counted = sum(value for name, value in metrics.items() if name.startswith("evershelf_answers_total{"))
        if counted != gateway.answers_sent:
            self._world.checks.fail("G28", f"{counted:g} answers are counted of {gateway.answers_sent} that were sent")
        unproven = metrics["evershelf_rungs_unproven"]
        if unproven and not self._world.weather.recently(Fault.CLOCK_STEPS, within_s=LOOK_EVERY_S + PATIENCE_S):
            self._world.checks.fail("G24", f"{unproven:g} rungs have neither served nor been rehearsed")

    async def _drain(self) -> None:
        """G9, G11: once all is well, what was accepted reaches PostgreSQL."""
        deadline_s = self._world.loop.time() + PATIENCE_S
        while self._world.loop.time() < deadline_s:
            figures = self._figures()
            if figures and not figures["evershelf_spool_events_pending"]:
                return
            await asyncio.sleep(0.2)
        self._world.checks.fail("G11", f"the spool is not empty {PATIENCE_S:g} s after everything is well")

    def _has_returned(self, healed_s: float) -> None:
        """G14 and G17: soon after the last fault everything is as before."""
        for from_s, to_s, share in ((5.0, 10.0, 0.9), (10.0, HEAL_S, 0.99)):
            eligible = [
                shelf
                for asked, shelf in self._traffic.answers
                if healed_s + from_s <= asked.question.sent_s < healed_s + to_s
                and self._could_be_personal(asked.question)
            ]
            sourced = sum(shelf is not None and shelf.source is Source.MODEL for shelf in eligible)
            if eligible and sourced < share * len(eligible) - 1e-9:
                told = Counter(shelf.reason if shelf is not None else "none" for shelf in eligible)
                self._world.checks.fail("G17", f"{sourced} of {len(eligible)} by the model after {from_s:g} s: {told}")
        late = [a for a, shelf in self._traffic.answers if a.question.sent_s > healed_s + 10.0 and shelf is None]
        if late:
            self._world.checks.fail("G14", f"{len(late)} questions without an answer 10 s after the last fault")

    def _could_be_personal(self, question: Question) -> bool:
        body = question.body
        known = body.get("user_id") in self._with_past() or body.get("context_items")
        small = question.due_ms < clients.DEFAULT_BUDGET_MS
        return bool(question.wants_model and known and "category" not in body and not small and question.k <= 20)

    def _with_past(self) -> set[str]:
        return set(shop.users()[: shop.USERS - 4])

    def _everything_is_stored(self) -> None:
        """G9, G10, G11: what was acknowledged is in PostgreSQL once, or among the dead letters with its reason."""
        tables, truth, checks = self._world.tables, self._world.truth, self._world.checks
        dead = {event_id for event_id, _ in tables.dead}
        for event_id in truth.acked:
            if event_id in truth.exempt:
                continue
            stored = tables.events.get(event_id)
            if stored is None and event_id not in dead:
                checks.fail("G9", f"event {event_id} was acknowledged and is nowhere")
            if stored is not None and stored["item_id"] not in {b["item_id"] for b in truth.sent_bodies[event_id]}:
                checks.fail("G10", f"event {event_id} is stored with another body")
        for name, count in (("stored", len(tables.events)), ("dead", len(tables.dead))):
            if tables.counters[name] != count:
                checks.fail("G10", f"counter {name} says {tables.counters[name]} of {count}")
        unknown = [each for each in tables.events if each not in truth.sent_bodies and not shop.is_past(each)]
        if unknown:
            checks.fail("G10", f"{len(unknown)} events are stored that nobody sent")

    def _calls_were_few(self) -> None:
        """G3, G15, G16, and of G17 that one probe is under way at a time."""
        service, checks = self._world.inference, self._world.checks
        asked, called = len(self._traffic.answers), sum(call.queries for call in user_calls(service.calls))
        if called > 1.1 * asked:
            checks.fail("G15", f"{called} calls to inference for {asked} questions")
        restarts = len(self._world.buried)
        if service.probes_at_once > 1 + restarts:
            checks.fail("G17", f"{service.probes_at_once} probes at once")
        for happening in self._happenings:
            if happening.fault in {Fault.INFERENCE_DEAD, Fault.INFERENCE_FROZEN, Fault.INFERENCE_UNREACHABLE}:
                self._was_left_alone(happening)

    def _was_left_alone(self, happening: Happening) -> None:
        """G16: at most 20 calls, or those of one second, before a dead or frozen service gets probes only."""
        start_s, end_s = START_S + happening.start_s, START_S + happening.end_s
        if any(start_s - 1.0 <= down_s <= end_s for down_s, _ in self._world.truth.down_s):
            return  # another gateway has to find out anew
        service = self._world.inference
        times = [call.at_s for call in user_calls(service.calls)] + service.refused_at_s
        during = sorted(at_s for at_s in times if start_s < at_s < end_s)
        grace_s = DEAD_AFTER_S + clients.DEFAULT_BUDGET_MS / 1_000
        late = [at_s for at_s in during[DEAD_AFTER_CALLS:] if at_s > start_s + grace_s]
        probes = 2 + (end_s - start_s)  # of those that were refused nobody knows what they were
        if len(late) > probes:
            self._world.checks.fail("G16", f"{len(during)} calls to an inference that is {happening.fault}")

    async def _stands_alone(self) -> None:
        """G6 and G8: without PostgreSQL and inference, a restart is quick and gives the same bytes."""
        world = self._world
        world.weather.begin(Fault.ALONE)
        world.inference.die()
        await asyncio.sleep(3.0)
        before = await self._stable_answers()
        world.kill_gateway()
        began_s = world.loop.time()
        await world.start_gateway()
        if world.gateway is None or world.loop.time() - began_s > READY_S:
            world.checks.fail("G8", f"not ready {world.loop.time() - began_s:.1f} s after a restart alone")
        after = await self._stable_answers()
        for question, (first, second) in enumerate(zip(before, after, strict=True)):
            if first is None or second is None:
                world.checks.fail("G8", f"stable question {question} is not answered alone")
            elif first[0] == second[0] and first[1] != second[1]:
                world.checks.fail("G6", f"stable question {question}: {first[1][:300]!r} then {second[1][:300]!r}")

    async def _stable_answers(self) -> list[tuple[str, bytes] | None]:
        """The snapshot's version and the items' bytes of a few questions whose answers depend on nothing else."""
        answers: list[tuple[str, bytes] | None] = []
        items = [item.item_id for item in shop.catalog()]
        for number in range(STABLE_USERS):
            body = {"placement": "item-page", "context_items": [items[number * 5]], "k": 20}
            question = Question(1_000_000 + number, self._world.loop.time(), body, CALM_BUDGET_MS)
            gateway = self._world.gateway
            if gateway is None:
                answers.append(None)
                continue
            future = gateway.request(
                "POST", "/v1/recommendations", headers=clients.headers(question.budget_ms), body=clients.encoded(body)
            )
            answer = await clients.patiently(future, 2.0)
            answers.append(None if answer is None or answer.status != 200 else _items_of(answer.body))
        return answers


def _items_of(body: bytes) -> tuple[str, bytes]:
    told = orjson.loads(body)
    return told["snapshot"]["version"], body[body.index(b'"items":[') :]


async def _bury(world: World) -> None:
    """Ends what killed gateways left behind, when nothing is checked any more."""
    world.loop.set_exception_handler(lambda *_: None)
    everything = [*world.bury(), *asyncio.all_tasks()]
    tasks = [task for task in everything if task is not asyncio.current_task() and not task.done()]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=60.0)
    world.disk.forget()
