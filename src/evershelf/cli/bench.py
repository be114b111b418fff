"""The verb `bench`: runs the programs under `benchmarks/` in turn and writes what they found as a report."""

import json
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from evershelf.cli.options import AsJson
from evershelf.cli.output import print_json, print_progress

# In the order in which `all` runs them: what decides most targets first.
PROGRAMS = {
    "serve": "serve",
    "baseline": "baseline",
    "overload": "front",
    "intake": "intake",
    "snapshot": "snapshot",
    "memory": "memory",
    "import": "import_events",
    "train": "train_movielens",
    "hop": "hop",
    "models": "quality",
    "side-by-side": "models",
}
ALL = "all"
PROGRAM_S_MAX = 1_800
REPORT = Path("bench-report")


class Form(StrEnum):
    """How much is measured."""

    SMOKE = "smoke"  # tiny: that the programs run, and nothing else
    SHORT = "short"
    LONG = "long"


class BenchFailedError(Exception):
    """A benchmark did not come to an end, or there is none to run."""


def bench(
    name: Annotated[str, typer.Argument(help=f"{', '.join(PROGRAMS)}, or all.")],
    form: Annotated[Form, typer.Option(help="How much is measured; smoke proves only that it runs.")] = Form.LONG,
    out: Annotated[Path, typer.Option(help="Folder for the report, its plots and the figures as JSON.")] = REPORT,
    as_json: AsJson = False,
) -> None:
    """Measure this machine: CPU per request, rates, times and ratios, and which targets they meet."""
    folder = Path(__file__).resolve().parents[3] / "benchmarks"
    if name not in {*PROGRAMS, ALL}:
        raise typer.BadParameter(f"there is no benchmark {name!r}: {', '.join(PROGRAMS)}, or all")
    if not (folder / "told.py").is_file():
        raise BenchFailedError("the benchmarks are part of the source tree, which is not here")
    told = [_run(folder, each, form) for each in (PROGRAMS if name == ALL else [name])]
    if name == ALL or not as_json:
        text = json.dumps(told)
        command = [sys.executable, str(folder / "report.py"), str(out), form]
        written = subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.PIPE)  # noqa: S603 - ours
        print_progress(f"written: {out}/report.md, {out}/figures.json and plots")
        if not as_json:
            sys.stdout.write(written.stdout)
    if as_json:
        print_json(told)
    failed = [each["bench"] for each in told if "error" in each]
    if failed:
        raise BenchFailedError(f"did not come to an end: {', '.join(failed)}")


def _run(folder: Path, name: str, form: Form) -> dict[str, Any]:  # Any: what a program told, as JSON
    print_progress(f"{name}, {form} form")
    command = [sys.executable, str(folder / f"{PROGRAMS[name]}.py"), "--form", form, "--json"]
    try:
        done = subprocess.run(  # noqa: S603 - a program of our own
            command, text=True, capture_output=True, timeout=PROGRAM_S_MAX, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{\n") :])
    except (subprocess.SubprocessError, ValueError) as error:
        last = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
        return {"bench": name, "error": " ".join(last), "rows": [], "targets": [], "noisy": [], "notes": []}
    if form is Form.SMOKE:  # its sizes are not those that the targets are about
        found["targets"] = []
    return found
