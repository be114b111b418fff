"""The verbs `drill list | run | campaign | report`: faults on purpose, in an installation made for them."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evershelf.cli.options import AsJson
from evershelf.cli.output import print_json, print_line, print_progress, print_table

if TYPE_CHECKING:
    from evershelf.drills.rig import Rig
    from evershelf.drills.run import Options

drill_app = typer.Typer(no_args_is_help=True, help="Faults on purpose, with a limit and a report.")
FAILURE = 1
KILLS_DEFAULT = 20
LONG_S_DEFAULT = 120.0
OVERLOAD_S_DEFAULT = 10.0
LONGER_RUNS = ("kill-loop", "soak", "overload", "alone")

Names = Annotated[
    list[str],
    typer.Argument(
        help="Scenarios, a component, all, short, core, pairs, every-pair, kill-loop, soak, overload, alone."
    ),
]
Requests = Annotated[
    int | None, typer.Option(min=1, help="Requests while a fault is on; sets --seconds.", show_default=False)
]
Seconds = Annotated[
    float | None, typer.Option(min=1, help="How long a fault is on (soak, overload, alone: the run).", show_default="8")
]
Rate = Annotated[float, typer.Option(min=1, help="Requests a second.")]
Budget = Annotated[int, typer.Option(min=20, max=2_000, help="Budget of a request.")]
Seed = Annotated[int, typer.Option(help="Of everything that is drawn.")]
Folder = Annotated[
    Path | None, typer.Option(help="Folder of the installation; kept for the next run.", show_default="a temporary one")
]


@drill_app.command("list")
def list_drills(as_json: AsJson = False) -> None:
    """Show every scenario that can be injected."""
    from evershelf.drills.matrix import SHORT, pairs, rows

    told = [(row.name, row.component, row.failure) for row in rows()]
    if as_json:
        print_json([{"name": name, "component": component, "failure": failure} for name, component, failure in told])
        return
    print_table("Scenarios", ("name", "component", "failure"), told)
    few, many = len(pairs(every=False)), len(pairs(every=True))
    print_line(
        f"Also: all ({len(told)}), short ({len(SHORT)}), pairs ({few}), every-pair ({many}), {', '.join(LONGER_RUNS)}."
    )


@drill_app.command("run")
def run_drills(  # noqa: PLR0917 - typer calls it by name; each parameter is an option
    names: Names,
    requests: Requests = None,
    seconds: Seconds = None,
    rate: Rate = 100.0,
    budget_ms: Budget = 150,
    kills: Annotated[int, typer.Option(min=1, help="Kills of the kill loop.")] = KILLS_DEFAULT,
    seed: Seed = 1,
    folder: Folder = None,
    out: Annotated[Path, typer.Option(help="Folder for the report, as JSON and Markdown.")] = Path("drill-reports"),
    as_json: AsJson = False,
) -> None:
    """Inject faults into an installation made for it, under load, and judge every answer.

    The exit code is 1 when a promise was broken.
    """
    from evershelf.drills.report import as_fields, write
    from evershelf.drills.run import Options
    from evershelf.supervision.supervisor import obey_signals

    obey_signals()  # a run that is ended early unmounts its disks and ends its processes all the same
    fault_s = seconds or 8.0
    options = Options(rate_per_s=rate, fault_s=requests / rate if requests else fault_s, budget_ms=budget_ms, seed=seed)
    reports, skipped, more = asyncio.run(_run(names, options, folder, kills=kills, long_s=seconds))
    fields = as_fields(options, reports, skipped, more, command=_typed(names, options, requests=requests, kills=kills))
    paths = write(fields, out, "-".join(names)[:80])
    if as_json:
        print_json(fields)
    else:
        print_line(f"{sum(r.passed for r in reports)} of {len(reports)} scenarios passed, {len(skipped)} skipped.")
        for name, told in more.items():
            print_line(f"{name}: {'passed' if told.passed else 'BROKEN'}")
        print_line(f"Report: {paths[1]} and {paths[0]}")
    if not all(report.passed for report in reports) or not all(told.passed for told in more.values()):
        sys.exit(FAILURE)


@drill_app.command("campaign")
def run_campaign(  # noqa: PLR0917 - as above
    names: Annotated[list[str], typer.Argument(help="Scenarios, a component, all, short, core, pairs, every-pair.")],
    out: Annotated[Path, typer.Option(help="Folder of the campaign: a JSON file for each scenario.")],
    requests: Annotated[int, typer.Option(min=1, help="Requests while a fault is on.")] = 100_000,
    rate: Rate = 400.0,
    budget_ms: Budget = 150,
    seed: Seed = 1,
    folder: Folder = None,
    part: Annotated[
        str, typer.Option(help="2/4: only the second of four shares, each of which may run beside the others.")
    ] = "1/1",
    minutes: Annotated[
        float | None, typer.Option(min=1, help="Begin no scenario that might last beyond.", show_default="no end")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run those of the scenarios that have not passed in this campaign yet, and keep each as it ends.

    The exit code is 1 when a promise was broken.
    """
    from evershelf.drills.campaign import chosen, rig_in, run_rows
    from evershelf.drills.run import Options
    from evershelf.drills.sittings import Campaign, share
    from evershelf.supervision.supervisor import obey_signals

    obey_signals()
    options = Options(rate_per_s=rate, fault_s=requests / rate, budget_ms=budget_ms, seed=seed)
    typed = f"evershelf drill campaign {' '.join(names)} --rate {rate:g} --requests {requests}"
    campaign = Campaign(out, options, typed)
    try:
        wanted = share(chosen(names), part)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--part") from error
    left = campaign.left(wanted)
    end_at_s = time.monotonic() + minutes * 60 if minutes else inf

    async def sit() -> bool:
        with rig_in(folder, seed=seed) as rig:
            print_progress(f"preparing an installation with a shop of its own for {len(left)} scenarios")
            await rig.start()
            reports, _ = await run_rows(rig, left, options, print_progress, keep=campaign.keep, end_at_s=end_at_s)
        return all(report.passed for report in reports)

    passed = not left or asyncio.run(sit())
    done = len(wanted) - len(campaign.left(wanted))
    if as_json:
        print_json({"scenarios": len(wanted), "passed": done, "folder": str(out)})
    else:
        print_line(f"{done} of {len(wanted)} scenarios have passed. All of them: evershelf drill report {out}")
    if not passed:
        sys.exit(FAILURE)


@drill_app.command("report")
def report_drill(
    run: Annotated[Path, typer.Argument(help="JSON that `drill run` wrote, or a campaign's folder.", exists=True)],
    readme: Annotated[
        Path | None, typer.Option(help="File whose table between the two marks is written anew.", show_default=False)
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only fail if the table is another.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="One line a fault, with all its scenarios.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print a run for people, or write its table into the README."""
    from evershelf.drills.report import markdown
    from evershelf.drills.report import readme as with_table
    from evershelf.drills.sittings import gathered

    fields: dict[str, Any] = gathered(run) if run.is_dir() else json.loads(run.read_text())  # Any: JSON
    if readme is None:
        if as_json:
            print_json(fields)
        else:
            print_line(markdown(fields, brief=brief))
        return
    before = readme.read_text()
    after = with_table(fields, before)
    if check and before != after:
        print_progress(f"{readme} does not show {run}: run `evershelf drill report {run} --readme {readme}`")
        sys.exit(FAILURE)
    if not check:
        readme.write_text(after)
    if as_json:
        print_json({"readme": str(readme), "changed": before != after})


def _typed(names: Sequence[str], options: "Options", *, requests: int | None, kills: int) -> str:
    length = f"--requests {requests}" if requests else f"--seconds {options.fault_s:g}"
    killing = f" --kills {kills}" if "kill-loop" in names else ""
    return f"evershelf drill run {' '.join(names)} --rate {options.rate_per_s:g} {length}{killing}"


async def _run(
    names: Sequence[str], options: "Options", folder: Path | None, *, kills: int, long_s: float | None
) -> tuple[list[Any], list[Any], dict[str, Any]]:  # Any: three kinds of reports, told apart by their names
    from evershelf.drills.campaign import chosen, rig_in, run_rows

    wanted = chosen([name for name in names if name not in LONGER_RUNS])
    with rig_in(folder, seed=options.seed) as rig:
        print_progress("preparing an installation with a shop of its own")
        await rig.start()
        reports, skipped = await run_rows(rig, wanted, options, print_progress)
        more = {}
        for name in (each for each in LONGER_RUNS if each in names):
            told = more[name.replace("-", "_")] = await _longer(name, rig, options, kills=kills, long_s=long_s)
            print_progress("\n".join([f"    {told}", *(f"    BROKEN {each}" for each in told.broken)]))
    return reports, skipped, more


async def _longer(name: str, rig: "Rig", options: "Options", *, kills: int, long_s: float | None) -> Any:  # noqa: ANN401
    from evershelf.drills.alone import alone
    from evershelf.drills.kill_loop import kill_loop
    from evershelf.drills.overload import overload
    from evershelf.drills.run import warm_up
    from evershelf.drills.soak import soak

    print_progress(name)
    await warm_up(rig, options)
    match name:
        case "kill-loop":
            return await kill_loop(rig, kills=kills, seed=options.seed)
        case "soak":
            seconds = long_s or LONG_S_DEFAULT
            return await soak(rig, seconds=seconds, rate_per_s=options.rate_per_s / 2, seed=options.seed)
        case "alone":
            seconds = long_s or LONG_S_DEFAULT
            return await alone(rig, seconds=seconds, rate_per_s=options.rate_per_s, seed=options.seed)
        case _:
            return await overload(rig, seconds=long_s or OVERLOAD_S_DEFAULT, seed=options.seed)
