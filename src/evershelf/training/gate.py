"""The promotion gate: a checklist that a model passes whole, or does not serve."""

import numpy as np

from evershelf.contracts.manifest import GateCheck
from evershelf.training.evaluate import Comparison
from evershelf.training.fit import Fitted

USERS_MIN = 30
DISTINCT_LISTS_SHARE_MIN = 0.5


def gate(fitted: Fitted, comparison: Comparison, *, coverage_min: float) -> tuple[GateCheck, ...]:
    """Every check with its verdict; all must pass."""
    interval = comparison.difference
    coverage = comparison.model["coverage_at_20"]
    finite = all(bool(np.isfinite(rows.weights).all()) for rows in fitted.rows.values())
    weights = sum(len(rows.weights) for rows in fitted.rows.values())
    return (
        GateCheck(name="finite", passed=finite, detail=f"{weights} weights, all finite: {finite}"),
        GateCheck(name="not_empty", passed=weights > 0, detail=f"{weights} weights"),
        GateCheck(
            name="enough_users",
            passed=comparison.users >= USERS_MIN,
            detail=f"{comparison.users} users in the test window, {USERS_MIN} are needed",
        ),
        GateCheck(
            name="beats_popularity",
            passed=interval.low > 0,
            detail=f"NDCG@20 {comparison.model['ndcg_at_20']:.4f} against {comparison.popularity['ndcg_at_20']:.4f}; "
            f"difference {interval.mean:+.4f}, 95 % interval {interval.low:+.4f} to {interval.high:+.4f}",
        ),
        GateCheck(
            name="coverage",
            passed=coverage >= coverage_min,
            detail=f"{coverage:.1%} of the items shown to somebody, at least {coverage_min:.1%} are asked for",
        ),
        GateCheck(
            name="not_degenerate",
            passed=comparison.distinct_lists_share >= DISTINCT_LISTS_SHARE_MIN,
            detail=f"{comparison.distinct_lists_share:.1%} of the lists differ, "
            f"at least {DISTINCT_LISTS_SHARE_MIN:.0%} are asked for",
        ),
    )


def passed(checks: tuple[GateCheck, ...]) -> bool:
    """Whether all of them passed."""
    return all(check.passed for check in checks)
