"""What a training run came to, as those who did not watch it are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RunOutcome(StrEnum):
    """How a training run ended."""

    PROMOTED = "promoted"  # its version is the champion
    CHALLENGER = "challenger"  # its version is on trial
    HELD = "held"  # by the gate
    REFUSED = "refused"  # by the checks of the data, before anything was learned
    FAILED = "failed"  # by an error


class Verdict(StrEnum):
    """What a check of the data says."""

    OK = "ok"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One run: when and how it ended, the version it made, if any, and how many checks of the data said what."""

    ended_at: datetime
    outcome: RunOutcome
    model_version: str | None
    checks: Mapping[Verdict, int]
