"""The verb that puts the gateway's promises to the proof without a machine to break: `simulate`."""

from typing import TYPE_CHECKING, Annotated

import typer

from evershelf.cli.options import AsJson
from evershelf.cli.output import print_json, print_line, print_progress

if TYPE_CHECKING:
    from evershelf.simulation.report import SimulationReport

SEEDS = 50
PROGRESS_SEEDS = 50


class PromiseBrokenError(Exception):
    """The simulation found a broken promise, or did not try all that it should."""


def simulate(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = SEEDS,
    start: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many run at once.", show_default="one for each processor")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the gateway on a virtual clock among seeded faults, and check every promise that can be checked there."""
    import logging
    import os

    import structlog

    from evershelf.simulation import report as reports
    from evershelf.simulation.run import SeedReport

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

    def tell(seed: SeedReport) -> None:
        done = seed.seed - start + 1
        if seed.violations:
            print_progress(f"seed {seed.seed} FAILED, again with: {reports.replay_command(seed.seed)}")
        elif done % PROGRESS_SEEDS == 0 and done < seeds:
            print_progress(f"{done} of {seeds} seeds")

    at_once = min(processes or os.cpu_count() or 1, -(-seeds // reports.SEEDS_A_CHUNK))
    report = reports.simulate(start, seeds, processes=at_once, on_seed=tell)
    if as_json:
        print_json(report.as_json())
    else:
        _tell(report)
    if report.failures:
        raise PromiseBrokenError(f"{report.failures} of {seeds} seeds broke a promise")
    if not report.passed:
        raise PromiseBrokenError(f"never happened: {', '.join(report.never_fired)}")


def _tell(report: "SimulationReport") -> None:
    for seed in report.failed:
        print_line(f"seed {seed.seed}: {', '.join(each.fault for each in seed.happenings)}")
        for violation in seed.violations:
            print_line(f"  {violation.guarantee} at {violation.at_s:.3f} s: {violation.detail}")
    for title, counts in (("faults", report.fired), ("reasons", report.reasons), ("sources", report.sources)):
        print_line(f"{title}: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
    print_line(
        f"{report.seeds} seeds from {report.start}: {report.answers} answers, {report.events} events, "
        f"{report.failures} seeds failed; {report.cpu_s:.1f} s of CPU ({report.cpu_s / report.seeds:.2f} s a seed); "
        f"digest {report.digest[:16]}"
    )
