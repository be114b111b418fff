"""A few figures of the data that a version learned from, small enough for its manifest."""

import numpy as np
import numpy.typing as npt

from evershelf.contracts.manifest import DataProfile
from evershelf.models.interactions import EVENT_TYPES, Interactions

# What happened in the last so many days is compared: a window that grows must not look like another population.
RECENT_DAYS = 28.0


def profile_of(interactions: Interactions) -> DataProfile:
    """The shares of the newest RECENT_DAYS: by kind of event, and by how busy the item and the user of an event are."""
    recent = interactions.between(interactions.days.max() - RECENT_DAYS, np.inf)
    span_days = max(float(recent.days.max() - recent.days.min()), 1.0)
    kinds = np.bincount(recent.kinds, minlength=len(EVENT_TYPES)) / max(len(recent), 1)
    return DataProfile(
        events_a_day=len(recent) / span_days,
        event_types={str(kind): float(kinds[code]) for code, kind in enumerate(EVENT_TYPES) if kinds[code]},
        items=_shares_by_class(recent.items),
        users=_shares_by_class(recent.users),
    )


def _shares_by_class(numbers: npt.NDArray[np.integer]) -> dict[str, float]:
    """The share of events that fall on the busiest 1, 10, 20, 50 and 100 % of those that occur."""
    counts = np.sort(np.bincount(numbers)[np.unique(numbers)])[::-1].astype(np.float64)
    total, reached, shares = counts.sum(), 0.0, {}
    for percent in (1, 10, 20, 50, 100):
        below = float(counts[: int(np.ceil(len(counts) * percent / 100))].sum())
        shares[f"busiest_{percent}_percent"] = (below - reached) / max(total, 1.0)
        reached = below
    return shares
