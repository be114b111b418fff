"""Many seeds: what happened over all of them, and which failed."""

import gc
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from multiprocessing import get_context

import structlog

from evershelf.simulation.faults import Fault
from evershelf.simulation.run import SeedReport, Template, run_seed

# From so many seeds on, a kind of fault that never happened fails the run: each is due several times.
COVERAGE_SEEDS = 100
FAILED_KEPT = 20
SEEDS_A_CHUNK = 5
GARBAGE_MAX = 100_000  # objects that may be left over before they are looked through


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """The sum of a run. `digest` is that of all seeds' digests in their order."""

    start: int
    seeds: int
    digest: str
    failed: tuple[SeedReport, ...]
    failures: int
    fired: Counter[Fault]
    reasons: Counter[str]
    sources: Counter[str]
    answers: int
    events: int
    cpu_s: float = 0.0

    @property
    def never_fired(self) -> list[Fault]:
        """Kinds of faults that did not happen once."""
        return [fault for fault in Fault if not self.fired[fault]]

    @property
    def passed(self) -> bool:
        """Whether every promise held, and every kind of fault was there to break it."""
        return not self.failures and (self.seeds < COVERAGE_SEEDS or not self.never_fired)

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "start": self.start,
            "seeds": self.seeds,
            "passed": self.passed,
            "failures": self.failures,
            "digest": self.digest,
            "answers": self.answers,
            "events_acknowledged": self.events,
            "cpu_s": round(self.cpu_s, 1),
            "faults": {fault.value: self.fired[fault] for fault in Fault},
            "never_fired": [fault.value for fault in self.never_fired],
            "reasons": dict(self.reasons.most_common()),
            "sources": dict(self.sources.most_common()),
            "failed": [
                {
                    "seed": seed.seed,
                    "replay": replay_command(seed.seed),
                    "faults": [f"{each.fault} {each.start_s:.2f}..{each.end_s:.2f} s" for each in seed.happenings],
                    "violations": [f"{v.guarantee} at {v.at_s} s: {v.detail}" for v in seed.violations],
                }
                for seed in self.failed
            ],
        }


def replay_command(seed: int) -> str:
    """What runs this seed again, exactly."""
    return f"evershelf simulate --seeds 1 --start {seed}"


def simulate(
    start: int, seeds: int, *, processes: int = 1, on_seed: Callable[[SeedReport], None] = lambda _: None
) -> SimulationReport:
    """Runs seeds `start` .. `start + seeds - 1`; `on_seed` hears of each in their order, however many processes run."""
    began_s = _cpu_s()
    template = Template.build()
    try:
        with _runner(template, processes) as run:
            report = _summed(start, seeds, _heard(run(range(start, start + seeds)), on_seed))
    finally:
        template.close()
    return replace(report, cpu_s=_cpu_s() - began_s)


def _cpu_s() -> float:
    """What this process and those it has seen end have used."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@contextmanager
def _runner(template: Template, processes: int) -> Iterator[Callable[[Sequence[int]], Iterable[SeedReport]]]:
    """What runs seeds: here, or in processes of their own."""
    if processes == 1:
        with _little_collecting():
            yield lambda seeds: (run_seed(seed, template) for seed in seeds)
        return
    # "spawn", for a copy of this process would have copies of its threads' locks, but not the threads.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_prepare)
    try:
        yield lambda seeds: pool.map(partial(run_seed, template=template), seeds, chunksize=SEEDS_A_CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    _collect_little()


def _collect_little() -> None:
    # What is imported by now need not be looked through again; what a seed leaves is collected between large steps.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_MAX)


@contextmanager
def _little_collecting() -> Iterator[None]:
    before = gc.get_threshold()
    _collect_little()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _heard(reports: Iterable[SeedReport], on_seed: Callable[[SeedReport], None]) -> Iterator[SeedReport]:
    for report in reports:
        on_seed(report)
        yield report


def _summed(start: int, seeds: int, reports: Iterable[SeedReport]) -> SimulationReport:
    digest = sha256()
    fired: Counter[Fault] = Counter()
    reasons: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    failed: list[SeedReport] = []
    failures = answers = events = 0
    for report in reports:
        digest.update(report.digest.encode())
        fired.update(report.fired)
        reasons.update(report.reasons)
        sources.update(report.sources)
        answers, events = answers + report.answers, events + report.events
        if report.violations:
            failures += 1
            failed += [report] if len(failed) < FAILED_KEPT else []
    return SimulationReport(
        start, seeds, digest.hexdigest(), tuple(failed), failures, fired, reasons, sources, answers, events,
    )  # fmt: skip
