"""Answers one query with one loaded model: ids in, a Ranking as JSON out."""

from collections.abc import Sequence

import numpy as np
import orjson

from evershelf.contracts.inference import RankQuery
from evershelf.contracts.manifest import ServingConfig
from evershelf.inference.artifact_loader import LoadedModel
from evershelf.models.recommender import NO_EVIDENCE, UNKNOWN_ITEM, RankedList

SECONDS_A_DAY = 86_400


# For a query whose asker no longer waits.
NO_RANKING = b'{"items":[],"confidence":0.0,"confident":false}'


def rank(model: LoadedModel, query: RankQuery, *, evidence: bool = True) -> bytes:
    """The contracts.inference.Ranking for `query`, as JSON. Items that the model does not know are passed over.

    Without `evidence` it does not say why, which makes the reply a third as long.
    """
    find = model.index_of.get
    history = query.history
    ranked = model.recommender.rank(
        np.array([find(interaction.item_id, UNKNOWN_ITEM) for interaction in history], np.int64),
        model.recommender.event_weights([interaction.event_type for interaction in history]),
        np.array([interaction.age_s for interaction in history], np.float64) / SECONDS_A_DAY,
        k=query.k,
        excluded=np.array([find(item_id, UNKNOWN_ITEM) for item_id in query.exclude], np.int64),
    )
    return _encode(model, ranked, evidence=evidence)


def reply(model: LoadedModel, rankings: Sequence[bytes]) -> bytes:
    """The contracts.inference.RankReply of these rankings; a version is plain by its pattern."""
    return b'{"model_version":"%b","rankings":[%b]}' % (model.version.encode(), b",".join(rankings))


def _encode(model: LoadedModel, ranked: RankedList, *, evidence: bool) -> bytes:
    return orjson.dumps(
        {
            "items": _items(model.item_ids, ranked, evidence=evidence),
            "confidence": confidence_of(model.manifest.serving, ranked),
            "confident": is_confident(model.manifest.serving, ranked),
        }
    )


def _items(ids: Sequence[str], ranked: RankedList, *, evidence: bool) -> list[dict[str, object]]:
    items, scores = ranked.items.tolist(), ranked.scores.tolist()
    if not evidence:
        return [
            {"item_id": ids[item], "score": score, "evidence": ()} for item, score in zip(items, scores, strict=True)
        ]
    # Rounding may leave a single cause with a hair more than the whole.
    shares = np.minimum(ranked.evidence_shares, 1.0).tolist()
    told = []
    for item, score, causes, parts in zip(items, scores, ranked.evidence_items.tolist(), shares, strict=True):
        because = []
        for cause, part in zip(causes, parts, strict=True):
            if cause == NO_EVIDENCE:
                break
            because.append({"item_id": ids[cause], "share": part})
        told.append({"item_id": ids[item], "score": score, "evidence": because})
    return told


def is_confident(serving: ServingConfig, ranked: RankedList) -> bool:
    """Whether the history gave enough to go by, as the manifest defines enough."""
    enough = ranked.evidence_items_known >= serving.evidence_items_min
    return enough and ranked.personal_share >= serving.personal_share_min


def confidence_of(serving: ServingConfig, ranked: RankedList) -> float:
    """How often histories with as much evidence were served well; where that was not measured, what is known of it."""
    found = [bucket.hit_rate for bucket in serving.confidence if bucket.evidence_items <= ranked.evidence_items_known]
    return found[-1] if found else ranked.known_share
