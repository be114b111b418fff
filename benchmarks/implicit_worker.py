"""Fits models of the library implicit and writes what they recommend; runs in the environment made by `models.py`.

Usage: python implicit_worker.py FOLDER, which holds learned.npz and histories.npz (users by items) and candidates.json.
"""

import json
import sys
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import (
    BM25Recommender,
    CosineRecommender,
    TFIDFRecommender,
)
from scipy import sparse

K = 20
USERS_A_CALL = 1_000
NEIGHBOURS = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}


def main() -> None:
    """Writes lists-N.npy, int32[users, K] padded with -1, for candidate N; what a user has is not recommended."""
    folder = Path(sys.argv[1])
    learned, histories = (
        sparse.csr_matrix(sparse.load_npz(folder / f"{name}.npz").astype(np.float32))
        for name in ("learned", "histories")
    )
    for place, candidate in enumerate(json.loads((folder / "candidates.json").read_text())):
        algorithm = candidate.pop("algorithm")
        is_als = algorithm == "als"
        model = AlternatingLeastSquares(**candidate, random_state=7) if is_als else NEIGHBOURS[algorithm](**candidate)
        model.fit(learned, show_progress=False)
        told = {"recalculate_user": True} if is_als else {}
        lists = []
        for first in range(0, histories.shape[0], USERS_A_CALL):
            part = histories[first : first + USERS_A_CALL]
            items, scores = model.recommend(
                np.arange(part.shape[0]), part, N=K, filter_already_liked_items=True, **told
            )
            lists.append(items if is_als else np.where(scores > 0, items, -1))
        np.save(folder / f"lists-{place}.npy", np.concatenate(lists).astype(np.int32))


if __name__ == "__main__":
    main()
