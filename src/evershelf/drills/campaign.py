"""A campaign: many scenarios on one rig, one after the other, each left as it was found; and the longer runs."""

import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from shutil import rmtree

from evershelf.drills.injection import CannotInjectError
from evershelf.drills.link_fault import LinkFault
from evershelf.drills.matrix import SHORT, core, pairs, rows
from evershelf.drills.report import Skipped
from evershelf.drills.rig import GATEWAY, INFERENCE, POSTGRES, Rig, RigFailedError
from evershelf.drills.row import Row
from evershelf.drills.run import Options, RowReport, run_row

Tell = Callable[[str], None]


class UnknownScenarioError(Exception):
    """There is no scenario of that name; `evershelf drill list` shows them."""


def chosen(names: Sequence[str]) -> list[Row]:
    """The rows that the names mean: a row, a component, `all`, `short`, `core`, `pairs`, `every-pair`."""
    table = {row.name: row for row in (*rows(), *pairs(every=True))}
    found: list[Row] = []
    for name in names:
        match name:
            case "all":
                found += rows()
            case "short":
                found += [row for row in rows() if row.name in SHORT]
            case "core":
                found += core()
            case "pairs":
                found += pairs(every=False)
            case "every-pair":
                found += pairs(every=True)
            case _ if name in table:
                found.append(table[name])
            case _:
                of_component = [row for row in rows() if row.component.lower() == name.lower()]
                if not of_component:
                    raise UnknownScenarioError(f"there is no scenario {name!r}: see `evershelf drill list`")
                found += of_component
    return list({row.name: row for row in found}.values())


@contextmanager
def rig_in(folder: Path | None, *, seed: int) -> Iterator[Rig]:
    """A rig in a folder, which is kept for the next run if it was named, and removed if not. All of it ends here."""
    kept = folder is not None
    folder = folder or Path(tempfile.mkdtemp(prefix="evershelf-drill-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL runs as another account where this one is root
    rig = Rig(folder, seed=seed)
    try:
        yield rig
    finally:
        rig.close()
        if not kept:
            rmtree(folder, ignore_errors=True)


async def run_rows(
    rig: Rig,
    wanted: Sequence[Row],
    options: Options,
    tell: Tell,
    *,
    keep: Callable[[RowReport | Skipped], None] = lambda _: None,
    end_at_s: float = inf,
) -> tuple[list[RowReport], list[Skipped]]:
    """Runs every row; one that this machine does not allow is skipped with a notice, one that cannot be run too.

    `keep` gets each outcome at once. None is begun that might last beyond `end_at_s` (monotonic), going by the longest.
    """
    reports: list[RowReport] = []
    skipped: list[Skipped] = []
    longest_s = 0.0
    for number, row in enumerate(wanted, start=1):
        began_s = time.monotonic()
        if began_s + longest_s > end_at_s:
            break
        tell(f"[{number}/{len(wanted)}] {row.name}: {row.failure}")
        try:
            report = await run_row(rig, row, options)
        except CannotInjectError as error:
            skipped.append(Skipped(row.name, str(error)))
            keep(skipped[-1])
            tell(f"    skipped: {error}")
        else:
            reports.append(report)
            keep(report)
            tell(f"    {summary(report)}")
            for each in report.broken:
                tell(f"    BROKEN {each}")
        repair(rig)
        longest_s = max(longest_s, time.monotonic() - began_s)
    return reports, skipped


def summary(report: RowReport) -> str:
    """One line of figures."""
    fault = report.fault
    reasons = ", ".join(f"{name} {count}" for name, count in list(fault.reasons.items())[:4])
    return (
        f"{'passed' if report.passed else 'BROKEN'}: {fault.requests} requests, {sum(fault.exceptions.values())} "
        f"unanswered, {sum(fault.faults.values())} invalid, {fault.late} late, p50 {fault.p50_ms:.1f} ms, "
        f"p99.9 {fault.p999_ms:.1f} ms, max {fault.max_ms:.1f} ms "
        f"(sent at most {fault.lag_max_ms:.1f} ms late); {reasons}"
    )


def repair(rig: Rig) -> None:
    """Brings back what a scenario left dead or frozen, so that the next one begins on a rig that is well."""
    for link in (INFERENCE, POSTGRES):
        rig.proxy.become(link, LinkFault())
    rig.signal_postgres(signal.SIGCONT)
    for name in (INFERENCE, GATEWAY):
        rig.signal(name, signal.SIGCONT)
        if not rig.is_running(name):
            rig.start_again(name)
        try:
            rig.await_answer(name, f"{rig.url(name)}/readyz")
        except RigFailedError:
            rig.kill(name)
            rig.start_again(name)
