"""Our model beside implicit's ALS and item-kNN in one run: the same split, the same tuning window, the same metrics.

Usage: python benchmarks/models.py [--form smoke|short|long] [--only NAME] [--data DIR] [--time-limit S] [--json]
implicit is installed into an environment of its own that is thrown away; where that fails, it is skipped with a notice.
Each model is chosen by NDCG@20 on the same held-out part of what is known: implicit's from the grid in `GRID`, ours by
its own search. Recommended are 20 items that the user has not had, of all there are.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from environments import installed
from quality import SETS
from scipy import sparse
from told import Target, Told, parser

from evershelf.models.sparse_rows import Int32s
from evershelf.training.evaluate import Case
from evershelf.training.metrics import judge
from evershelf.training.offline import evaluate_offline
from evershelf.training.protocols import Protocol

PEERS = ("implicit==0.7.3",)
FIT_S_MAX = 900
WORKER = Path(__file__).with_name("implicit_worker.py")
ALS = "implicit ALS"
OURS, OURS_IN_ALS_TIME = "evershelf", "evershelf in the time of ALS"
# Candidates of each kind of peer: an algorithm of the worker, and its arguments.
GRID: dict[str, list[dict[str, Any]]] = {
    ALS: [
        {"algorithm": "als", "factors": factors, "alpha": alpha, "regularization": 0.01, "iterations": 15}
        for factors in (64, 128)
        for alpha in (1.0, 10.0)
    ],
    "implicit item-kNN": [
        {"algorithm": algorithm, "K": neighbours}
        for algorithm in ("cosine", "tfidf", "bm25")
        for neighbours in (20, 100)
    ],
}
FORMS = {"smoke": (), "short": ("movielens-1m",), "long": ("movielens-1m", "gowalla")}
FIGURES = ("ndcg@10", "recall@10", "ndcg@20", "recall@20")


def main() -> None:
    """Every data set in turn; told is a row for each model, and whether ours is ahead."""
    arguments = _arguments()
    told = Told("side-by-side")
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as name:
        folder = Path(name)
        python = "not in this form" if arguments.form == "smoke" else installed(folder / "peers", PEERS)
        if isinstance(python, str):
            told.notes.append(f"skipped: {', '.join(PEERS)}: {python}")
        for data in [arguments.only] if arguments.only else FORMS[arguments.form]:
            given = SETS[data](arguments.data)
            if given is None or isinstance(python, str):
                told.notes.append(f"{data}: skipped, no data under {arguments.data}, or no peers")
                continue
            protocol, tables = given
            peers = {kind: _measured(protocol, candidates, python, folder) for kind, candidates in GRID.items()}
            als_s = float(peers[ALS]["seconds"])
            for model, limit_s in ((OURS, arguments.time_limit), (OURS_IN_ALS_TIME, als_s)):
                ours = evaluate_offline(protocol, time_limit_s=limit_s, features=tables.features).figures
                figures = {figure: float(str(ours[figure])) for figure in (*FIGURES, "seconds")}
                told.rows.append({"data": data, "model": model, **figures})
                for kind, peer in peers.items():
                    gain = figures["ndcg@10"] / float(peer["ndcg@10"])
                    told.targets.append(Target(f"{data}: NDCG@10, {model} over {kind}", 1.0, "x", gain, at_least=True))
            # Of the last one: as long as ALS took is all that it was given.
            what = f"{data}: time of choosing, fitting and judging over {ALS}"
            told.targets.append(Target(what, 1.0, "x", figures["seconds"] / als_s))
            told.rows += [{"data": data, "model": kind, **peer} for kind, peer in peers.items()]
    told.tell(as_json=arguments.json)


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=1)
    options.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    options.add_argument("--time-limit", type=float, default=240.0)
    options.add_argument("--only", choices=FORMS["long"])
    return options.parse_args()


def _measured(
    protocol: Protocol, candidates: list[dict[str, Any]], python: Path, folder: Path
) -> dict[str, float | str]:
    """The figures of the candidate that does best on the tuning window, and the seconds of choosing and fitting."""
    began_s = time.monotonic()
    inner = protocol.inner(seed=7)
    asked = inner.cases(seed=7)
    tried = _lists(inner, asked, candidates, python, folder)
    merits = [judge(lists, asked).means()["ndcg@20"] for lists in tried]
    best = candidates[int(np.argmax(merits))]
    asked = protocol.cases(seed=7)
    [lists] = _lists(protocol, asked, [best], python, folder)
    means = judge(lists, asked).means()
    chosen = " ".join(f"{name}={value}" for name, value in best.items())
    return {**{name: means[name] for name in FIGURES}, "seconds": time.monotonic() - began_s, "chosen": chosen}


def _lists(
    protocol: Protocol, asked: Sequence[Case], candidates: list[dict[str, Any]], python: Path, folder: Path
) -> list[list[Int32s]]:
    """What each candidate recommends in each case; a peer is told all that the user had."""
    known = protocol.known
    learned = known.user_items(np.ones(len(known)))
    bounds = np.concatenate(([0], np.cumsum([len(case.seen) for case in asked])))
    seen = np.concatenate([case.seen for case in asked])
    histories = sparse.csr_array((np.ones(len(seen)), seen, bounds), shape=(len(asked), known.item_count))
    sparse.save_npz(folder / "learned.npz", learned)
    sparse.save_npz(folder / "histories.npz", histories)
    (folder / "candidates.json").write_text(json.dumps(candidates))
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # implicit has threads of its own
    command = [str(python), str(WORKER), str(folder)]
    subprocess.run(command, check=True, timeout=FIT_S_MAX, env={**os.environ, **one_thread}, stdout=subprocess.DEVNULL)
    tables = [np.load(folder / f"lists-{place}.npy") for place in range(len(candidates))]
    return [[row[row >= 0] for row in table] for table in tables]


if __name__ == "__main__":
    main()
