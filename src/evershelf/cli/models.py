"""The verbs `models list | check | promote | rollback`: see the model versions, and choose which one serves."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from evershelf.cli.audit import audit
from evershelf.cli.canary import canary_app
from evershelf.cli.context import operator
from evershelf.cli.context import registry as open_registry
from evershelf.cli.exits import GATE_HELD
from evershelf.cli.options import AsJson, DataDir

if TYPE_CHECKING:
    from evershelf.contracts.manifest import AliasPointer, GateCheck
    from evershelf.registry.store import Registry

models_app = typer.Typer(help="Model versions: list them, promote one, roll back.", no_args_is_help=True)
models_app.add_typer(canary_app, name="canary")

Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the move.")]


@models_app.command("list")
def list_models(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Every version with its figures, oldest first, and the aliases that name it."""
    with _refusals_told():
        rows = _rows(open_registry(data_dir))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("No model version yet: `evershelf train` makes one.")
        return
    _print_table(rows)


@models_app.command("promote")
def promote_model(
    version: Annotated[str, typer.Argument(help="The version that shall serve.")],
    *,
    data_dir: DataDir = None,
    reason: Reason = "promoted by hand",
    accept_gain: Annotated[
        bool, typer.Option("--accept-gain", help="Although its gain over the champion is suspiciously large.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Whatever the gate says; its bytes must be sound.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make VERSION the champion, if it passes the gate now (exit code 3: it does not). See also `models check`."""
    from evershelf.registry.store import promote

    with _refusals_told():
        registry = open_registry(data_dir)
        registry.check("models", version)
        failed = [] if force else _failures(_examined(registry, version, accept_gain=accept_gain))
        for check in failed:
            typer.echo(f"{check.name}: {check.detail}", err=True)
        if failed:
            raise typer.Exit(GATE_HELD)
        override = " (forced past the gate)" if force else " (gain accepted)" if accept_gain else ""
        pointer = promote(registry, version, moved_by=operator(), reason=reason + override)
        audit(data_dir, "model.promote", pointer)
        _print_move(pointer, as_json=as_json)


@models_app.command("check")
def check_model(
    version: Annotated[str, typer.Argument(help="The version to hold against the gate.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put VERSION on probation: every check of the gate that needs no events. Exit code 3: it does not pass."""
    from evershelf.cli.output import print_json, print_table

    checks = _examined(open_registry(data_dir), version, accept_gain=False)
    if as_json:
        print_json([check.model_dump() for check in checks])
    else:
        rows = [(check.name, "passed" if check.passed else "FAILED", check.detail) for check in checks]
        print_table(f"Gate, {version}", ("check", "verdict", "detail"), rows)
    if _failures(checks):
        raise typer.Exit(GATE_HELD)


@models_app.command("rollback")
def roll_back_model(data_dir: DataDir = None, reason: Reason = "rolled back by hand", as_json: AsJson = False) -> None:
    """Make the previous champion serve again. The one withdrawn becomes `previous`."""
    from evershelf.registry.store import roll_back

    with _refusals_told():
        pointer = roll_back(open_registry(data_dir), moved_by=operator(), reason=reason)
        audit(data_dir, "model.roll_back", pointer)
        _print_move(pointer, as_json=as_json)


def _examined(registry: "Registry", version: str, *, accept_gain: bool) -> "tuple[GateCheck, ...]":
    from evershelf.training.examination import examine_published
    from evershelf.training.gate import accepted
    from evershelf.training.settings import TrainingSettings

    checks = examine_published(registry, version, TrainingSettings())
    return accepted(checks) if accept_gain else checks


def _failures(checks: "tuple[GateCheck, ...]") -> "list[GateCheck]":
    return [check for check in checks if not check.passed]


def _rows(registry: "Registry") -> list[dict[str, object]]:
    from evershelf.registry.aliases import CHALLENGER, CHAMPION, PREVIOUS
    from evershelf.registry.manifests import failed_checks

    pointers = {name: registry.read_alias("models", name) for name in (CHAMPION, CHALLENGER, PREVIOUS)}
    rows: list[dict[str, object]] = []
    for version in registry.versions("models"):
        manifest = registry.manifest("models", version)
        rows.append({
            "version": version,
            "aliases": [name for name, pointer in pointers.items() if pointer and pointer.version == version],
            "algorithm": manifest.algorithm,
            "created_at": manifest.created_at.isoformat(),
            "items": manifest.items,
            "events": manifest.data.events,
            "gate_passed": not failed_checks(manifest),
            "metrics": manifest.metrics,
        })  # fmt: skip
    return rows


def _print_table(rows: list[dict[str, object]]) -> None:
    from evershelf.cli.output import print_table

    columns = ("version", "alias", "created", "items", "events", "gate", "NDCG@20", "popularity")
    print_table("Model versions, oldest first", columns, [_cells(row) for row in rows])


def _cells(row: dict[str, object]) -> tuple[str, ...]:
    metrics, aliases = row["metrics"], row["aliases"]
    assert isinstance(metrics, dict)
    assert isinstance(aliases, list)
    return (
        str(row["version"]),
        ", ".join(aliases),
        str(row["created_at"])[:16].replace("T", " "),
        f"{row['items']:,}",
        f"{row['events']:,}",
        "passed" if row["gate_passed"] else "failed",
        *(f"{metrics[name]:.4f}" if name in metrics else "" for name in ("ndcg_at_20", "popularity_ndcg_at_20")),
    )


def _print_move(pointer: "AliasPointer", *, as_json: bool) -> None:
    if as_json:
        typer.echo(pointer.model_dump_json(indent=2))
    else:
        typer.echo(f"champion is now {pointer.version} (move {pointer.sequence})")


@contextmanager
def _refusals_told() -> Iterator[None]:
    """Turns what can be expected to go wrong into one line on standard error and exit code 1."""
    from evershelf.registry.aliases import AliasConflict
    from evershelf.registry.artifact import ArtifactRefused

    try:
        yield
    except (AliasConflict, ArtifactRefused) as error:
        typer.echo(f"evershelf models: {error}", err=True)
        sys.exit(1)
