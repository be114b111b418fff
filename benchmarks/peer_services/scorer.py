"""The scorer that every peer serves: our artifact and our kernel, ids in and ids out."""

import os
from pathlib import Path

import numpy as np

from evershelf.inference.artifact_loader import LoadedModel, load_model

ARTIFACT_BYTES_MAX = 2**31
AGE_S, SECONDS_A_DAY = 60.0, 86_400.0


def load() -> LoadedModel:
    """The champion of the registry, verified and warm."""
    return load_model(Path(os.environ["EVERSHELF_REGISTRY"]) / "models" / "bench", ARTIFACT_BYTES_MAX)


def rank(model: LoadedModel, history: list[str], k: int) -> tuple[list[str], list[float]]:
    """The best k items for somebody who viewed these, and their scores."""
    find, count = model.index_of.get, len(history)
    ranked = model.recommender.rank(
        np.array([find(each, -1) for each in history], np.int64),
        model.recommender.event_weights(["view_item"] * count),
        np.full(count, AGE_S / SECONDS_A_DAY),
        k=k,
        excluded=np.empty(0, np.int64),
    )
    return [model.item_ids[item] for item in ranked.items.tolist()], ranked.scores.tolist()
