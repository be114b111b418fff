"""The verb `demo data`: write a believable shop into a folder, offline and the same for the same seed."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from evershelf.cli.options import AsJson

SEED_DEFAULT = 7

Out = Annotated[Path, typer.Option("--out", help="Folder to write the shop into; made if need be.", file_okay=False)]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed and end give the same files.")]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", help="End of the events, ISO 8601 (UTC where no zone is named); default: the last full hour."
    ),
]


def demo_data(out: Out, seed: Seed = SEED_DEFAULT, until: Until = None, as_json: AsJson = False) -> None:
    """Write a demo shop: items, users, half a year of events, pictures."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from evershelf.demo.shop import generate_shop

    end = _end(until)
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("demo shop", total=1.0)
            report = generate_shop(
                out,
                seed=seed,
                until=end,
                progress=lambda stage, share: bar.update(task, description=stage, completed=share),
            )
    except OSError as error:
        typer.echo(f"Cannot write the demo shop: {error}", err=True)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
        return
    by_type = ", ".join(f"{count:,} {name}" for name, count in report.events_by_type.items())
    typer.echo(
        f"{report.items:,} items in {report.categories} categories, {report.users:,} users, {report.events:,} events "
        f"({by_type}) in the {report.days} days before {report.until}, in {out}"
    )


def _end(until: str | None) -> datetime:
    from evershelf.demo.shop import latest_until

    if until is None:
        return latest_until(datetime.now(UTC))
    try:
        end = datetime.fromisoformat(until)
    except ValueError as error:
        raise typer.BadParameter(
            f"{until!r} is no ISO 8601 time, such as 2026-01-31T12:00Z", param_hint="--until"
        ) from error
    return end if end.tzinfo else end.replace(tzinfo=UTC)
