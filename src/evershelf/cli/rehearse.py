"""The verbs `rehearse start | list | stop`: play a fault inside the running gateway, and read what came of it."""

import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from evershelf.cli.context import installation
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_progress, print_table

POLL_S = 0.5

rehearse_app = typer.Typer(
    help="Drills inside the running gateway: play a fault on a share of the traffic.", no_args_is_help=True
)


@rehearse_app.command("start")
def start(  # noqa: PLR0917 - typer calls it by name; each parameter is an option
    kind: Annotated[str, typer.Argument(help="inference_off, inference_delayed, history_off or rungs_off.")],
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the users that are hit.")] = 0.1,
    duration_s: Annotated[int, typer.Option(min=1, max=3_600, help="It ends by itself after so long.")] = 60,
    placement: Annotated[str | None, typer.Option(help="Only this placement.", show_default=False)] = None,
    delay_ms: Annotated[int | None, typer.Option(help="For inference_delayed.", show_default=False)] = None,
    rung: Annotated[list[str] | None, typer.Option(help="For rungs_off; repeatable.", show_default=False)] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return at once, without the report.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Start a drill; wait for its end and print its report. Ctrl-C ends the drill."""
    from evershelf.cli.gateway_client import ask

    home = installation(data_dir)
    wanted = {"kind": kind, "share": share, "duration_s": duration_s, "placement": placement, "delay_ms": delay_ms}
    body = {name: value for name, value in wanted.items() if value is not None} | ({"rungs": rung} if rung else {})
    drill: dict[str, Any] = ask(home, "/v1/admin/drills", body)  # Any: the answer's JSON
    path = f"/v1/admin/drills/{drill['drill_id']}"
    if not no_wait:
        print_progress(f"drill {drill['drill_id']} runs until {drill['ends_at']}; Ctrl-C ends it")
        drill = _awaited(lambda: ask(home, path), lambda: ask(home, f"{path}/stop", {}))
    _print(drill, as_json=as_json)


@rehearse_app.command("list")
def list_drills(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Drills that run on the gateway, and reports of those that ran."""
    from evershelf.cli.gateway_client import ask

    told: dict[str, Any] = ask(installation(data_dir), "/v1/admin/drills")  # Any: the answer's JSON
    if as_json:
        print_json(told)
        return
    rows = [_cells(drill) for drill in (*told["active"], *told["reports"])]
    if not rows:
        print_line("No drill yet: `evershelf rehearse start inference_off` plays one.")
        return
    print_table("Drills", ("drill", "kind", "share", "started", "end", "hit", "valid in time", "sources"), rows)


@rehearse_app.command("stop")
def stop(
    drill_id: Annotated[str, typer.Argument(help="Id of a drill that runs.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End a drill now and print its report."""
    from evershelf.cli.gateway_client import ask

    _print(ask(installation(data_dir), f"/v1/admin/drills/{drill_id}/stop", {}), as_json=as_json)


def _awaited(look: Callable[[], dict[str, Any]], end: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The drill once it has ended, by itself or because the operator lost patience."""
    try:
        while (drill := look())["ended_at"] is None:
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        return end()
    return drill


def _print(drill: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(drill)
        return
    print_line(f"drill {drill['drill_id']}, {drill['request']['kind']}: {drill['end'] or 'running'}")
    for name in ("hit", "spared"):
        tally = drill[name]
        share = tally["valid_in_time_share"]
        told = "no answers" if share is None else f"{tally['answers']} answers, {share:.2%} valid in time"
        print_line(f"  {name}: {told}; sources {_counts(tally['by_source'])}; reasons {_counts(tally['by_reason'])}")


def _cells(drill: dict[str, Any]) -> tuple[str, ...]:
    hit = drill["hit"]
    share = hit["valid_in_time_share"]
    return (
        drill["drill_id"],
        drill["request"]["kind"],
        f"{drill['request']['share']:.0%}",
        drill["started_at"][:19].replace("T", " "),
        drill["end"] or "running",
        str(hit["answers"]),
        "" if share is None else f"{share:.2%}",
        _counts(hit["by_source"]),
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
