"""The verbs `models canary start | stop | status`: try a challenger on copies of requests, then on some users."""

from typing import TYPE_CHECKING, Annotated

import typer

from evershelf.cli.audit import audit
from evershelf.cli.context import operator
from evershelf.cli.context import registry as open_registry
from evershelf.cli.exits import GATE_HELD
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line

if TYPE_CHECKING:
    from evershelf.contracts.manifest import AliasPointer, RolloutStage

canary_app = typer.Typer(help="Try a challenger: start, stop, status.", no_args_is_help=True)

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3_600.0}
Stages = Annotated[str | None, typer.Option("--stages", help="Such as 1%:10m,5%:20m,25%:30m,100%:30m (the default).")]


@canary_app.command("start")
def start(
    version: Annotated[str, typer.Argument(help="The version to try.")],
    *,
    stages: Stages = None,
    shadow_only: Annotated[bool, typer.Option("--shadow-only", help="Copies of requests only, no user.")] = False,
    shadow_share: Annotated[
        float, typer.Option("--shadow-share", min=0, max=1, help="Share of requests copied.")
    ] = 0.1,
    promote: Annotated[bool, typer.Option(help="Make it champion when the last stage is over.")] = True,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the move.")] = "canary by hand",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make VERSION the challenger. Guardrails withdraw it by themselves. Exit code 3: it failed the gate."""
    from evershelf.contracts.manifest import CANARY_STAGES, RolloutPlan
    from evershelf.registry.manifests import failed_checks
    from evershelf.registry.store import challenge

    registry = open_registry(data_dir)
    failed = failed_checks(registry.manifest("models", version))
    if failed and not shadow_only:
        typer.echo(f"{version} failed the gate ({', '.join(failed)}): only --shadow-only is allowed", err=True)
        raise typer.Exit(GATE_HELD)
    steps = () if shadow_only else CANARY_STAGES if stages is None else parsed_stages(stages)
    plan = RolloutPlan(shadow_share=shadow_share, stages=steps, promote=promote)
    pointer = challenge(registry, version, plan, moved_by=operator(), reason=reason)
    audit(data_dir, "canary.start", pointer)
    _print_status(pointer, as_json=as_json)


@canary_app.command("stop")
def stop(
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the move.")] = "stopped by hand",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give everybody the champion again."""
    from evershelf.registry.aliases import CHALLENGER, AliasConflict
    from evershelf.registry.store import withdraw

    registry = open_registry(data_dir)
    found = registry.read_alias("models", CHALLENGER)
    if found is None:
        raise AliasConflict("there is no challenger")
    pointer = withdraw(registry, found.version, moved_by=operator(), reason=reason)
    audit(data_dir, "canary.stop", pointer)
    _print_status(pointer, as_json=as_json)


@canary_app.command("status")
def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Who is on trial, since when and by which plan; what a gateway has seen of it: GET /v1/admin/canary."""
    from evershelf.registry.aliases import CHALLENGER

    pointer = open_registry(data_dir).read_alias("models", CHALLENGER)
    if pointer is None:
        _print_nobody(as_json=as_json)
    else:
        _print_status(pointer, as_json=as_json)


def parsed_stages(text: str) -> "tuple[RolloutStage, ...]":
    """The stages of `1%:10m,5%:20m`. Raises typer.BadParameter."""
    from pydantic import ValidationError

    from evershelf.contracts.manifest import RolloutStage

    try:
        parts = [part.strip().partition(":") for part in text.split(",")]
        return tuple(
            RolloutStage(share=float(share.removesuffix("%")) / 100, seconds=float(time[:-1]) * _UNITS_S[time[-1:]])
            for share, _, time in parts
        )
    except (ValueError, KeyError, ValidationError) as error:
        raise typer.BadParameter(f"{text!r} is not such as 1%:10m,5%:20m", param_hint="--stages") from error


def _print_nobody(*, as_json: bool) -> None:
    if as_json:
        print_json({"state": "idle"})
    else:
        print_line("nobody is on trial")


def _print_status(pointer: "AliasPointer", *, as_json: bool) -> None:
    if pointer.plan is None:
        if as_json:
            print_json({"state": "idle", "last_end": pointer.model_dump(mode="json")})
        else:
            print_line(f"nobody is on trial; the last one ended at {pointer.moved_at:%Y-%m-%d %H:%M}: {pointer.reason}")
        return
    kind = "canary" if pointer.plan.stages else "shadow"
    if as_json:
        print_json({"state": kind, **pointer.model_dump(mode="json")})
        return
    steps = ", ".join(f"{stage.share:.0%} for {stage.seconds / 60:g} min" for stage in pointer.plan.stages)
    print_line(
        f"{kind} of {pointer.version} since {pointer.moved_at:%Y-%m-%d %H:%M:%S} by {pointer.moved_by}: "
        f"copies of {pointer.plan.shadow_share:.0%} of the requests{f'; {steps}' if steps else ''}"
    )
