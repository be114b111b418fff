"""Puts each training run on record, however it ends, so that gateways can tell operators of it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from evershelf.cli.context import operator
from evershelf.cli.output import print_progress
from evershelf.contracts.training import RunOutcome

if TYPE_CHECKING:
    from evershelf.training.pipeline import TrainingOutcome
    from evershelf.training.validate import DataCheck


def recorded(url: str, run: "Callable[[], TrainingOutcome]") -> "TrainingOutcome":
    """What `run` returns or raises; how it ended stands in PostgreSQL then, unless that is away."""
    from evershelf.training.validate import DataRefusedError

    outcome, version = RunOutcome.FAILED, None
    checks: tuple[DataCheck, ...] = ()
    try:
        trained = run()
        outcome = outcome_of(trained)
        version, checks = trained.manifest.version, trained.checks
    except DataRefusedError as error:
        outcome, checks = RunOutcome.REFUSED, error.checks
        raise
    finally:
        _write(url, outcome, version, checks)
    return trained


def outcome_of(trained: "TrainingOutcome") -> RunOutcome:
    """What became of the version that was made."""
    if trained.challenging:
        return RunOutcome.CHALLENGER
    return RunOutcome.PROMOTED if trained.promoted else RunOutcome.HELD


def _write(url: str, outcome: RunOutcome, version: str | None, checks: "tuple[DataCheck, ...]") -> None:
    from evershelf.storage.errors import StorageError
    from evershelf.storage.training_runs import record_run

    said = Counter(check.verdict for check in checks)
    try:
        asyncio.run(record_run(url, outcome, version, said, actor=operator()))
    except StorageError as error:
        print_progress(f"evershelf: the run is not on record: {error}")
