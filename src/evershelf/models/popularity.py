"""Popularity by distinct users, with old interest fading: overall and for every category."""

import numpy as np
import numpy.typing as npt

from evershelf.models.interactions import Interactions, decay
from evershelf.models.sparse_rows import Float64s, Int64s


def fit_popularity(
    interactions: Interactions, *, now_days: float, half_life_days: float | None, kind_weights: Float64s
) -> Float64s:
    """float64[items]: each user counts once for an item, by the strongest of what remains of his interactions."""
    remains = decay(now_days - interactions.days, half_life_days) * kind_weights[interactions.kinds]
    return np.asarray(interactions.user_items(remains).sum(axis=0), np.float64)


def top_items(scores: Float64s, members: npt.NDArray[np.integer], limit: int) -> Int64s:
    """The `limit` members with the highest scores, best first; ties stand by item index."""
    order = np.lexsort((members, -scores[members]))
    return members[order[:limit]].astype(np.int64)


def category_prefixes(path: str) -> list[str]:
    """A path and all it lies in, the most general first: "a/b" gives "a" and "a/b"."""
    parts = path.split("/")
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]
