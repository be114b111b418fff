"""The retry budget: however badly it goes, retries stay a small share of the calls (guarantee G15)."""

from dataclasses import dataclass, replace

RETRIES_PER_CALL = 0.1
SAVED_MAX = 5.0


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """What has been saved; each call saves a tenth of a retry, up to SAVED_MAX retries."""

    saved: float = 0.0


def after_call(budget: RetryBudget) -> RetryBudget:
    """The budget after a first call."""
    return replace(budget, saved=min(SAVED_MAX, budget.saved + RETRIES_PER_CALL))


def spend(budget: RetryBudget) -> RetryBudget | None:
    """The budget after one retry, or None when there is none to spend."""
    return replace(budget, saved=budget.saved - 1.0) if budget.saved >= 1.0 else None
