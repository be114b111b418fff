"""Answers one query with one loaded model: ids in, a Ranking as JSON text out."""

from collections.abc import Sequence

import numpy as np

from evershelf.contracts.inference import RankQuery
from evershelf.contracts.manifest import ServingConfig
from evershelf.inference.artifact_loader import LoadedModel
from evershelf.models.recommender import UNKNOWN_ITEM, RankedList

SECONDS_A_DAY = 86_400


# For a query whose asker no longer waits.
NO_RANKING = '{"items":[],"confidence":0.0,"confident":false}'


def rank(model: LoadedModel, query: RankQuery, *, evidence: bool = True) -> str:
    """The contracts.inference.Ranking for `query`, as JSON text. Items that the model does not know are passed over.

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


def reply(model: LoadedModel, rankings: Sequence[str]) -> bytes:
    """The contracts.inference.RankReply of these rankings."""
    return f'{{"model_version":"{model.version}","rankings":[{",".join(rankings)}]}}'.encode()


def _encode(model: LoadedModel, ranked: RankedList, *, evidence: bool) -> str:
    # Written by hand from ids encoded once at load: a fifth of the time of building objects for an encoder. Versions
    # are plain by their pattern, numbers are finite by the checks at load, and repr() of a finite float is JSON.
    ids, why = model.encoded_ids, _evidence if evidence else _no_evidence
    items = ",".join(
        f'{{"item_id":{ids[item]},"score":{score!r},"evidence":[{why(ids, sources, shares)}]}}'
        for item, score, sources, shares in zip(
            ranked.items.tolist(),
            ranked.scores.tolist(),
            ranked.evidence_items.tolist(),
            ranked.evidence_shares.tolist(),
            strict=True,
        )
    )
    confident = "true" if is_confident(model.manifest.serving, ranked) else "false"
    return (
        f'{{"items":[{items}],"confidence":{confidence_of(model.manifest.serving, ranked)!r},"confident":{confident}}}'
    )


def is_confident(serving: ServingConfig, ranked: RankedList) -> bool:
    """Whether the history gave enough to go by, as the manifest defines enough."""
    enough = ranked.evidence_items_known >= serving.evidence_items_min
    return enough and ranked.personal_share >= serving.personal_share_min


def confidence_of(serving: ServingConfig, ranked: RankedList) -> float:
    """How often histories with as much evidence were served well; where that was not measured, what is known of it."""
    found = [bucket.hit_rate for bucket in serving.confidence if bucket.evidence_items <= ranked.evidence_items_known]
    return found[-1] if found else ranked.known_share


def _evidence(ids: tuple[str, ...], sources: list[int], shares: list[float]) -> str:
    # Rounding may leave a single cause with a hair more than the whole.
    return ",".join(
        f'{{"item_id":{ids[source]},"share":{min(share, 1.0)!r}}}'
        for source, share in zip(sources, shares, strict=True)
        if source >= 0
    )


def _no_evidence(*_: object) -> str:
    return ""
