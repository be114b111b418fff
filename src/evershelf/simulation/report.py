"""Many seeds: what happened over all of them, and which failed."""

import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from evershelf.simulation.faults import Fault
from evershelf.simulation.run import SeedReport, Template, run_seed

# From so many seeds on, a kind of fault that never happened fails the run: each is due several times.
COVERAGE_SEEDS = 100
FAILED_KEPT = 20


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
    cpu_s: float

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


def simulate(start: int, seeds: int, *, on_seed: Callable[[SeedReport], None] = lambda _: None) -> SimulationReport:
    """Runs seeds `start` .. `start + seeds - 1`, one after the other."""
    began_s, digest = time.process_time(), sha256()
    fired: Counter[Fault] = Counter()
    reasons: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    failed: list[SeedReport] = []
    failures = answers = events = 0
    template = Template()
    gc.collect()
    gc.freeze()  # what is imported by now need not be looked through once a seed
    try:
        for seed in range(start, start + seeds):
            report = run_seed(seed, template)
            digest.update(report.digest.encode())
            fired.update(report.fired)
            reasons.update(report.reasons)
            sources.update(report.sources)
            answers, events = answers + report.answers, events + report.events
            if report.violations:
                failures += 1
                failed += [report] if len(failed) < FAILED_KEPT else []
            on_seed(report)
    finally:
        gc.unfreeze()
        template.close()
    return SimulationReport(
        start, seeds, digest.hexdigest(), tuple(failed), failures, fired, reasons, sources, answers, events,
        time.process_time() - began_s,
    )  # fmt: skip
