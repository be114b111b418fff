"""Learns on the tuning window how much evidence a history must give before the model is better than popularity."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evershelf.contracts.manifest import ConfidenceBucket, ServingConfig
from evershelf.models.interactions import EVENT_TYPES
from evershelf.models.recommender import ItemItemRecommender
from evershelf.models.sparse_rows import Float64s, Int32s, Int64s
from evershelf.training.evaluate import Case, K, popular_lists
from evershelf.training.metrics import HISTORY_BUCKETS, Judged, judge

# A bucket of fewer users says nothing, and is passed over.
USERS_MIN = 30
# Below this share the list is more the prior's than the user's.
PERSONAL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Confidence:
    """What goes into the manifest: the table, and the two thresholds."""

    table: tuple[ConfidenceBucket, ...] = ()
    evidence_items_min: int = 1
    personal_share_min: float = 0.0

    def put_into(self, serving: ServingConfig) -> ServingConfig:
        """The same configuration with this confidence."""
        return serving.model_copy(
            update={
                "confidence": self.table,
                "evidence_items_min": self.evidence_items_min,
                "personal_share_min": self.personal_share_min,
            }
        )


def learn_confidence(recommender: ItemItemRecommender, popularity: Float64s, measured: list[Case]) -> Confidence:
    """The table by known items of the history; thresholds below which popularity is at least as good.

    One more than the largest bucket that loses is asked for; thin personal shares are refused only if these lose.
    """
    if not measured:
        return Confidence()
    lists, known, shares = _ranked(recommender, measured)
    model = judge(lists, measured)
    popular = judge([shown.astype(np.int32) for shown in popular_lists(popularity, measured)], measured)
    table, evidence_items_min = [], 1
    for place, first in enumerate(HISTORY_BUCKETS):
        after = HISTORY_BUCKETS[place + 1] if place + 1 < len(HISTORY_BUCKETS) else np.inf
        inside = (known >= first) & (known < after)
        if inside.sum() < USERS_MIN:
            continue
        table.append(_bucket(first, inside, model, popular))
        if table[-1].ndcg <= table[-1].popularity_ndcg and np.isfinite(after):
            evidence_items_min = max(evidence_items_min, int(after))
    thin = (shares < PERSONAL_SHARE) & (known >= evidence_items_min)
    loses = thin.sum() >= USERS_MIN and model.ndcg_20[thin].mean() <= popular.ndcg_20[thin].mean()
    return Confidence(tuple(table), evidence_items_min, PERSONAL_SHARE if loses else 0.0)


def _ranked(recommender: ItemItemRecommender, measured: list[Case]) -> tuple[list[Int32s], Int64s, Float64s]:
    by_code = recommender.event_weights(EVENT_TYPES)
    ranked = [
        recommender.rank(case.items, by_code[case.kinds], case.ages_days, k=K, excluded=case.seen) for case in measured
    ]
    return (
        [one.items for one in ranked],
        np.array([one.evidence_items_known for one in ranked], np.int64),
        np.array([one.personal_share for one in ranked], np.float64),
    )


def _bucket(first: int, inside: npt.NDArray[np.bool_], model: Judged, popular: Judged) -> ConfidenceBucket:
    return ConfidenceBucket(
        evidence_items=first,
        users=int(inside.sum()),
        hit_rate=float((model.recall_20[inside] > 0).mean()),
        ndcg=float(model.ndcg_20[inside].mean()),
        popularity_ndcg=float(popular.ndcg_20[inside].mean()),
    )
