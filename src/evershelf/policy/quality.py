"""The quality factor: how much of a full model answer the present load leaves room for, from 1 down to the baseline."""

# Asked from the model beyond k: room for what eligibility may still remove, and where a category is asked for, of which
# the model is not told, for all that lies in others.
CANDIDATES_SPARE = 10
CANDIDATES_SPARE_OF_CATEGORY = 80
EVIDENCE_QUALITY_MIN = 0.5
OCCUPANCY_FULL_QUALITY = 0.5
# Load alone makes answers plainer; whether there is room at all is the limiter's decision.
BUSY_QUALITY = 0.1
LAG_SHARE_FULL_QUALITY = 0.1
LAG_SHARE_NO_QUALITY = 1.0


def quality(*, occupancy: float, lag_share: float) -> float:
    """1 for everything, 0 for the baseline alone; never rises with either load.

    `occupancy` is the share of the limiter's limit in use, `lag_share` that of the budget which the loop's lag eats.
    """
    busy = 1.0 - (1.0 - BUSY_QUALITY) * _way(occupancy, OCCUPANCY_FULL_QUALITY, 1.0)
    return min(busy, 1.0 - _way(lag_share, LAG_SHARE_FULL_QUALITY, LAG_SHARE_NO_QUALITY))


def candidates(k: int, quality: float, *, of_category: bool) -> int:
    """How many items the model is asked for, where `k` are wanted, all or `of_category`."""
    return k + round((CANDIDATES_SPARE_OF_CATEGORY if of_category else CANDIDATES_SPARE) * quality)


def with_evidence(quality: float) -> bool:
    """Whether the model is asked to say why."""
    return quality >= EVIDENCE_QUALITY_MIN


def _way(value: float, start: float, end: float) -> float:
    """How far `value` has come from `start` to `end`, within 0..1."""
    return min(max((value - start) / (end - start), 0.0), 1.0)
