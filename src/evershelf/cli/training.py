"""The verbs `train`, `evaluate` and `refresh`: make a model, measure one, and renew the gateway's snapshot."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evershelf.cli.context import open_database, publishing_registry, registry
from evershelf.cli.exits import GATE_HELD
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_progress, print_table
from evershelf.cli.training_record import recorded

if TYPE_CHECKING:
    from evershelf.contracts.manifest import SnapshotManifest
    from evershelf.registry.store import Registry
    from evershelf.training.evaluate import Comparison
    from evershelf.training.pipeline import OnStep, TrainingOutcome
    from evershelf.training.settings import TrainingSettings

TestDays = Annotated[
    float | None, typer.Option("--test-days", min=0.01, help="Measure on so many last days; else the last tenth.")
]
TimeLimit = Annotated[float | None, typer.Option("--time-limit", min=1, help="Seconds for choosing parameters.")]
AsOf = Annotated[datetime | None, typer.Option("--as-of", help="Use events before this instant (UTC); else now.")]

_EVERY_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3_600.0}


def train(
    *,
    as_of: AsOf = None,
    time_limit: TimeLimit = None,
    test_days: TestDays = None,
    accept_gain: Annotated[
        bool, typer.Option("--accept-gain", help="Promote although the gain over the champion is suspiciously large.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train a model; it serves if it passes the gate. Exit code 3: it did not pass."""
    from evershelf.training.mlflow_mirror import mirror
    from evershelf.training.pipeline import train as run

    versions = publishing_registry(data_dir)
    with migrated(data_dir) as url, _steps(as_json) as on_step:
        settings = _settings(time_limit, test_days)
        outcome = recorded(
            url,
            lambda: run(url, versions, settings, as_of=_utc(as_of), accept_gain=accept_gain, on_step=on_step),
        )
    mirror(outcome, versions, warn=print_progress)
    if as_json:
        print_json(
            {
                "promoted": outcome.promoted,
                "challenging": outcome.challenging,
                **outcome.manifest.model_dump(mode="json"),
            }
        )
    else:
        _print_outcome(outcome)
    if not (outcome.promoted or outcome.challenging):
        raise typer.Exit(GATE_HELD)


def evaluate(
    *,
    as_of: AsOf = None,
    time_limit: TimeLimit = None,
    test_days: TestDays = None,
    train_file: Annotated[Path | None, typer.Option("--train", help="A CSV or Parquet file: no database.")] = None,
    test_file: Annotated[Path | None, typer.Option("--test", help="What is to be found, in the same form.")] = None,
    items_file: Annotated[Path | None, typer.Option("--items", help="Items that nobody may have had.")] = None,
    one_file: Annotated[Path | None, typer.Option("--file", help="One file, split by --split.")] = None,
    split: Annotated[str, typer.Option("--split", help="See docs/reference/cli.md for the rules.")] = "last-10-percent",
    cases: Annotated[str, typer.Option("--cases", help="users, next or next-strict: who is asked about.")] = "users",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Measure the champion's recipe (or, without one, a fresh choice) against popularity; or the recipe on files."""
    if train_file or test_file or one_file or items_file:
        if bool(train_file) != bool(test_file) or bool(train_file) == bool(one_file):
            raise typer.BadParameter("give --train and --test, or --file with --split")
        files = (train_file or one_file, test_file, items_file)
        _evaluate_files(files, split, cases=cases, time_limit=time_limit, as_json=as_json)
        return
    from evershelf.training.pipeline import evaluate as run

    versions = registry(data_dir)
    with migrated(data_dir) as url, _steps(as_json) as on_step:
        measured, version = run(url, versions, _settings(time_limit, test_days), as_of=_utc(as_of), on_step=on_step)
    if as_json:
        print_json({"recipe_of": version, **measured.metrics()})
    else:
        print_line(
            f"recipe: {f'of the champion {version}' if version else 'chosen now'}, fitted before the test window"
        )
        _print_comparison(measured)


def _evaluate_files(
    files: tuple[Path | None, Path | None, Path | None],
    split: str,
    *,
    cases: str,
    time_limit: float | None,
    as_json: bool,
) -> None:
    from evershelf.training.files import read_tables
    from evershelf.training.offline import evaluate_offline
    from evershelf.training.protocols import Asking, Protocol

    if cases not in {str(kind) for kind in Asking}:
        raise typer.BadParameter(f"{cases!r} is none of {', '.join(Asking)}", param_hint="--cases")
    known, test, items = files
    assert known is not None
    tables = read_tables(known, test, items)
    if test:
        protocol = Protocol.given(tables, asking=Asking(cases))
    else:
        protocol = Protocol.split(tables, split, asking=Asking(cases))
    limit_s = time_limit or _settings(None, None).training_time_limit_s
    measured = evaluate_offline(protocol, time_limit_s=limit_s, features=tables.features)
    if as_json:
        print_json(measured.figures)
    else:
        flat = [(name, f"{value:.4f}") for name, value in measured.figures.items() if isinstance(value, float | int)]
        print_table("Test", ("figure", "value"), flat)
        print_line(f"recipe: {measured.selection.parameters}")


def refresh(
    every: Annotated[str | None, typer.Option("--every", help="Repeat, such as 30s, 5m, 1h.")] = None,
    *,
    model: Annotated[bool, typer.Option("--model", help="The champion's counts too; exit code 3: held.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Renew the gateway's snapshot from the database, once or again and again; then once a day drop what is old."""
    from evershelf.cli.retention import daily
    from evershelf.training.snapshot import refresh as build

    interval_s = None if every is None else seconds_of(every)
    versions = publishing_registry(data_dir)
    with migrated(data_dir) as url:

        def once() -> bool:
            _print_snapshot(build(url, versions), as_json=as_json)  # first: it needs no champion
            return not model or _renewed(url, versions)

        if interval_s is None:
            if not once():
                raise typer.Exit(GATE_HELD)
            return
        keep_house = daily(url)

        def again() -> None:
            once()
            keep_house()

        repeat(again, interval_s, verb="refresh")


def _renewed(url: str, versions: "Registry") -> bool:
    """Whether the champion now counts what happened until now."""
    from evershelf.registry.aliases import AliasConflict
    from evershelf.registry.artifact import ArtifactRefused
    from evershelf.training.gate import failures
    from evershelf.training.renewal import RenewalRefusedError, renew
    from evershelf.training.validate import DataRefusedError

    began_s = time.monotonic()
    try:
        manifest, fit = renew(url, versions, _settings(None, None))
    except (DataRefusedError, RenewalRefusedError, AliasConflict, ArtifactRefused) as error:
        print_progress(f"evershelf: held: {error}")
        return False
    held = ", ".join(failures(manifest.gate))
    verdict = "is the champion now" if fit else f"is held: {held}"
    print_progress(f"evershelf: {manifest.version} {verdict}, after {time.monotonic() - began_s:.1f} s")
    return fit


def repeat(action: Callable[[], object], interval_s: float, *, verb: str) -> None:
    """Runs the action at fixed intervals until interrupted; a failure that may pass is told, and tried again."""
    from evershelf.registry.aliases import AliasConflict
    from evershelf.registry.artifact import ArtifactRefused
    from evershelf.storage.errors import StorageUnavailable

    while True:
        began_s = time.monotonic()
        try:
            action()
        except (StorageUnavailable, AliasConflict, ArtifactRefused) as error:
            print_progress(f"evershelf {verb}: {error}; next try in {interval_s:g} s")
        time.sleep(max(0.0, interval_s - (time.monotonic() - began_s)))


@contextmanager
def migrated(data_dir: Path | None) -> Iterator[str]:
    """Yields the URL of a database at the schema of this version."""
    from evershelf.storage.migrate import migrate

    with open_database(data_dir) as url:
        asyncio.run(migrate(url))
        yield url


@contextmanager
def _steps(as_json: bool) -> "Iterator[OnStep]":
    """Shows what the run is doing: a spinner on a terminal, a line a step elsewhere, nothing with --json."""
    if as_json:
        yield lambda _: None
    elif not sys.stderr.isatty():
        yield lambda step: print_progress(f"evershelf: {step}")
    else:
        from rich.console import Console

        console = Console(stderr=True)
        with console.status("start") as status:

            def show(step: str) -> None:
                console.print(f"[dim]{datetime.now(UTC):%H:%M:%S}[/dim] {step}")
                status.update(step)

            yield show


def _settings(time_limit_s: float | None, test_days: float | None) -> "TrainingSettings":
    from evershelf.training.settings import TrainingSettings

    given = {"training_time_limit_s": time_limit_s, "training_test_days": test_days}
    return TrainingSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # names and types stand two lines above


def _utc(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant and instant.tzinfo is None else instant


def seconds_of(text: str) -> float:
    """The seconds of an interval such as 30s, 5m, 1h. Raises typer.BadParameter."""
    number, unit = text[:-1], text[-1:]
    if unit not in _EVERY_UNITS_S or not number.isdigit() or int(number) == 0:
        raise typer.BadParameter(f"{text!r} is no interval such as 30s, 5m, 1h", param_hint="--every")
    return int(number) * _EVERY_UNITS_S[unit]


def _print_outcome(outcome: "TrainingOutcome") -> None:
    print_table("Data", ("check", "verdict", "detail"), [(c.name, c.verdict, c.detail) for c in outcome.checks])
    _print_comparison(outcome.comparison)
    checks = [(check.name, "passed" if check.passed else "FAILED", check.detail) for check in outcome.manifest.gate]
    print_table("Gate", ("check", "verdict", "detail"), checks)
    held = "is on trial now" if outcome.challenging else "was not promoted: see the gate above"
    verdict = "is the champion now" if outcome.promoted else held
    print_line(f"{outcome.manifest.version} {verdict}")


def _print_comparison(measured: "Comparison") -> None:
    names = {"recall_at_20": "Recall@20", "ndcg_at_20": "NDCG@20", "coverage_at_20": "coverage"}
    rows = [(label, f"{measured.model[name]:.4f}", f"{measured.popularity[name]:.4f}") for name, label in names.items()]
    print_table(f"Test window, {measured.users} users", ("figure", "model", "popularity"), rows)


def _print_snapshot(manifest: "SnapshotManifest", *, as_json: bool) -> None:
    if as_json:
        print_json(manifest.model_dump(mode="json"))
    else:
        print_line(f"snapshot {manifest.version}: {manifest.items} items, catalog sequence {manifest.catalog_sequence}")
