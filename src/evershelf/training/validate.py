"""Checks the extracted data before anything is learned from it: block what cannot teach, warn of what looks odd."""

from dataclasses import dataclass

import numpy as np

from evershelf.contracts.training import Verdict
from evershelf.models.interactions import EVENT_TYPES, SECONDS_PER_DAY
from evershelf.training.extract import TrainingData
from evershelf.training.settings import TrainingSettings

STALE_DAYS_MAX = 7.0
LATE_SHARE_MAX = 0.2
UNKNOWN_SHARE_WARN = 0.05
DUPLICATE_SHARE_MAX = 0.05
KIND_SHARE_MAX = 0.999


@dataclass(frozen=True, slots=True)
class DataCheck:
    """One check of the data with its figures."""

    name: str
    verdict: Verdict
    detail: str


class DataRefusedError(Exception):
    """The data cannot teach a model; `checks` says why."""

    def __init__(self, checks: tuple[DataCheck, ...]) -> None:
        blocked = "; ".join(f"{check.name}: {check.detail}" for check in checks if check.verdict is Verdict.BLOCK)
        super().__init__(blocked)
        self.checks = checks


def validate(data: TrainingData, settings: TrainingSettings) -> tuple[DataCheck, ...]:
    """All checks, with their verdicts."""
    interactions = data.interactions
    items = len(np.unique(interactions.items))
    return (
        _at_least("events", len(interactions), settings.training_events_min),
        _at_least("users", interactions.user_count, settings.training_users_min),
        _at_least("items", items, settings.training_items_min),
        _unknown_items(data, settings.training_unknown_items_share_max),
        _duplicates(data),
        _lateness(data),
        _freshness(data),
        _event_types(data),
    )


def require(checks: tuple[DataCheck, ...]) -> None:
    """Nothing, unless a check blocks.

    Raises:
        DataRefusedError: one does.
    """
    if any(check.verdict is Verdict.BLOCK for check in checks):
        raise DataRefusedError(checks)


def _at_least(name: str, found: int, minimum: int) -> DataCheck:
    verdict = Verdict.OK if found >= minimum else Verdict.BLOCK
    return DataCheck(name, verdict, f"{found} {name} with interactions, at least {minimum} are needed")


def _unknown_items(data: TrainingData, share_max: float) -> DataCheck:
    share = data.unknown_item_events / max(len(data.interactions) + data.unknown_item_events, 1)
    verdict = Verdict.BLOCK if share > share_max else Verdict.WARN if share > UNKNOWN_SHARE_WARN else Verdict.OK
    return DataCheck("unknown_items", verdict, f"{share:.1%} of the events name items that the catalog does not have")


def _duplicates(data: TrainingData) -> DataCheck:
    seen = data.interactions
    same = np.ones(max(len(seen) - 1, 0), np.bool_)
    for column in (seen.users, seen.items, seen.days, seen.kinds):
        same &= column[1:] == column[:-1]
    share = float(same.sum()) / max(len(seen), 1)
    verdict = Verdict.WARN if share > DUPLICATE_SHARE_MAX else Verdict.OK
    return DataCheck("duplicates", verdict, f"{share:.1%} of the events repeat another one in everything but its id")


def _lateness(data: TrainingData) -> DataCheck:
    share = data.late_events / max(len(data.interactions) + data.unknown_item_events, 1)
    verdict = Verdict.WARN if share > LATE_SHARE_MAX else Verdict.OK
    return DataCheck("lateness", verdict, f"{share:.1%} of the events came more than a day late (an import does that)")


def _freshness(data: TrainingData) -> DataCheck:
    age_days = data.as_of.timestamp() / SECONDS_PER_DAY - data.end_days
    verdict = Verdict.WARN if age_days > STALE_DAYS_MAX else Verdict.OK
    return DataCheck("freshness", verdict, f"the newest event is {max(age_days, 0.0):.1f} days older than asked for")


def _event_types(data: TrainingData) -> DataCheck:
    counts = np.bincount(data.interactions.kinds, minlength=len(EVENT_TYPES))
    share = counts / max(counts.sum(), 1)
    mix = ", ".join(f"{kind} {share[code]:.1%}" for code, kind in enumerate(EVENT_TYPES) if counts[code])
    several = int((counts > 0).sum()) > 1
    verdict = Verdict.WARN if several and share.max() > KIND_SHARE_MAX else Verdict.OK
    return DataCheck("event_types", verdict, mix or "none")
