"""The verb `retrain`: train, put the outcome to use, renew the snapshot; on a schedule, one process at a time."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from evershelf.cli.context import publishing_registry
from evershelf.cli.exits import BUSY, GATE_HELD
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_progress
from evershelf.cli.training import migrated, repeat, seconds_of
from evershelf.cli.training_record import outcome_of, recorded

if TYPE_CHECKING:
    from evershelf.registry.store import Registry
    from evershelf.training.pipeline import TrainingOutcome

TURN = "retrain"
EXIT_CODES = {"promoted": 0, "challenger": 0, "held": GATE_HELD, "busy": BUSY}


def retrain(
    every: Annotated[str | None, typer.Option("--every", help="Repeat, such as 30m, 6h.")] = None,
    canary: Annotated[bool, typer.Option("--canary", help="A model that passes becomes challenger first.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train, promote what passes the gate, renew the snapshot. Exit code 3: held by the gate; 4: another is at it."""
    interval_s = None if every is None else seconds_of(every)
    versions = publishing_registry(data_dir)
    with migrated(data_dir) as url:
        if interval_s is None:
            code = EXIT_CODES[_once(url, versions, canary=canary, as_json=as_json)]
            raise typer.Exit(code)
        repeat(lambda: _once(url, versions, canary=canary, as_json=as_json), interval_s, verb="retrain")


def _once(url: str, versions: "Registry", *, canary: bool, as_json: bool) -> str:
    """One run, told on standard output: what came of it."""
    from evershelf.storage.turns import turn
    from evershelf.training.snapshot import refresh
    from evershelf.training.validate import DataRefusedError

    began_at = datetime.now(UTC)
    with turn(url, TURN) as ours:
        if not ours:
            _tell({"outcome": "busy", "began_at": began_at}, "another process is retraining", as_json=as_json)
            return "busy"
        try:
            trained = recorded(url, lambda: _train(url, versions, canary=canary))
        except DataRefusedError as error:
            _tell({"outcome": "held", "began_at": began_at, "data": str(error)}, f"held: {error}", as_json=as_json)
            return "held"
        outcome = outcome_of(trained).value
        snapshot = refresh(url, versions)
    failed = [check.name for check in trained.manifest.gate if not check.passed]
    told = {
        "outcome": outcome,
        "began_at": began_at,
        "model": trained.manifest.version,
        "failed_checks": failed,
        "metrics": trained.manifest.metrics,
        "snapshot": snapshot.version,
    }
    _tell(told, f"{trained.manifest.version}: {outcome} {', '.join(failed)}; {snapshot.version}", as_json=as_json)
    return outcome


def _train(url: str, versions: "Registry", *, canary: bool) -> "TrainingOutcome":
    from evershelf.training.mlflow_mirror import mirror
    from evershelf.training.pipeline import train
    from evershelf.training.settings import TrainingSettings

    settings = TrainingSettings()
    if canary:
        settings = settings.model_copy(update={"training_promotion": "canary"})
    trained = train(url, versions, settings)
    mirror(trained, versions, warn=print_progress)
    return trained


def _tell(told: dict[str, object], line: str, *, as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        print_line(line)
