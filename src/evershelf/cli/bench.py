"""The verb `bench`: runs the programs under `benchmarks/` in turn and writes what they found as a report."""

import json
import subprocess
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evershelf.cli.bench_program import BenchFailedError, BenchTimedOutError, Outcome, run_program
from evershelf.cli.options import AsJson
from evershelf.cli.output import print_json, print_progress

# In the order in which `all` runs them: what decides most targets first, what takes longest last.
PROGRAMS = {
    "serve": "serve",
    "peers": "peers",
    "front": "front",
    "baseline": "baseline",
    "intake": "intake",
    "snapshot": "snapshot",
    "memory": "memory",
    "import": "import_events",
    "train": "train_movielens",
    "growth": "growth",
    "overload": "overload",
    "telemetry": "telemetry",
    "hop": "hop",
    "servers": "servers",
    "profile": "hotspots",
    "side-by-side": "models",
    "models": "quality",
}
ALL = "all"
PROGRAM_S_MAX = 1_800.0
REPORT = Path("bench-report")


class Form(StrEnum):
    """How much is measured."""

    SMOKE = "smoke"  # tiny: that the programs run, and nothing else
    SHORT = "short"
    LONG = "long"


def bench(  # noqa: PLR0917 - typer calls it by name; each parameter is an option
    name: Annotated[str, typer.Argument(help=f"{', '.join(PROGRAMS)}, or all.")],
    form: Annotated[Form, typer.Option(help="How much is measured; smoke proves only that it runs.")] = Form.LONG,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Time for all of it; what does not fit is left out and named.")
    ] = None,
    into: Annotated[
        list[Path] | None, typer.Option(help="Files whose figures between marks are written anew.", exists=True)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report, its plots and the figures as JSON.")] = REPORT,
    as_json: AsJson = False,
) -> None:
    """Measure this machine: CPU per request, rates, times and ratios, and which targets they meet."""
    folder = Path(__file__).resolve().parents[3] / "benchmarks"
    if name not in {*PROGRAMS, ALL}:
        raise typer.BadParameter(f"there is no benchmark {name!r}: {', '.join(PROGRAMS)}, or all")
    if not (folder / "told.py").is_file():
        raise BenchFailedError("the benchmarks are part of the source tree, which is not here")
    until_s = time.monotonic() + minutes * 60 if minutes else None
    told = [_run(folder, each, form, until_s) for each in (PROGRAMS if name == ALL else [name])]
    if name == ALL or into or not as_json:
        text = json.dumps(told)
        command = [sys.executable, str(folder / "report.py"), str(out), form, *map(str, into or [])]
        written = subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.PIPE)  # noqa: S603 - ours
        print_progress(f"written: {out}/report.md, {out}/figures.json and plots")
        if not as_json:
            sys.stdout.write(written.stdout)
    if as_json:
        print_json(told)
    failed = [each["bench"] for each in told if "error" in each]
    if failed:
        raise BenchFailedError(f"did not come to an end: {', '.join(failed)}")


def _run(folder: Path, name: str, form: Form, until_s: float | None) -> Outcome:
    left_s = PROGRAM_S_MAX if until_s is None else min(PROGRAM_S_MAX, until_s - time.monotonic())
    nothing: Outcome = {"bench": name, "rows": [], "targets": [], "noisy": [], "notes": []}
    if left_s <= 0:
        return nothing | {"notes": ["left out: no time was left"]}
    print_progress(f"{name}, {form} form")
    try:
        found = run_program(folder / f"{PROGRAMS[name]}.py", form, seconds_max=left_s)
    except BenchFailedError as error:
        if isinstance(error, BenchTimedOutError) and left_s < PROGRAM_S_MAX:
            return nothing | {"notes": ["left out: the time was over before it came to an end"]}
        return nothing | {"error": str(error)}
    if form is Form.SMOKE:  # its sizes are not those that the targets are about
        found["targets"] = []
    return found | {"bench": name, "form": form}
