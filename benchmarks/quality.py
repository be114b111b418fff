"""Quality on public data by published protocols, full ranking: gowalla (LightGCN's split) and ML-1M (leave-one-out).

Usage: python benchmarks/quality.py [--data ../shared/data] [--time-limit 120] [--only gowalla|movielens-1m] [--json]
Data that are not at hand are skipped with a notice.
"""

import argparse
import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evershelf.contracts.events import EventType
from evershelf.models.interactions import EVENT_CODES, Interactions
from evershelf.training.files import Tables, read_tables
from evershelf.training.offline import LEAVE_ONE_OUT, Protocol, evaluate_offline, given_split, split_by_rule

# What others published for the same protocol.
PUBLISHED = {
    "gowalla": {
        "EASE": "recall@20 .1765, ndcg@20 .1467",
        "LightGCN": "recall@20 .1820, ndcg@20 .1550",
        "GF-CF": "recall@20 .1849, ndcg@20 .1518",
        "BSPM": "recall@20 .1920, ndcg@20 .1597",
    },
    "movielens-1m": {
        "SASRec": "recall@10 .239, ndcg@10 .126",
        "BERT4Rec": "recall@10 .282, ndcg@10 .152",
        "gSASRec": "recall@10 .300, ndcg@10 .173",
    },
}


def main() -> None:
    """Measures each data set that is at hand and prints its figures beside the published ones."""
    arguments = _arguments()
    sets: dict[str, Callable[[Path], Protocol | None]] = {"gowalla": gowalla, "movielens-1m": movielens}
    found: dict[str, dict[str, Any]] = {}
    for name, read in sets.items():
        if arguments.only not in (None, name):
            continue
        protocol = read(arguments.data)
        if protocol is None:
            print(f"{name}: skipped, no data under {arguments.data}")
            continue
        measured = evaluate_offline(protocol, time_limit_s=arguments.time_limit)
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # of the process so far
        found[name] = {**measured.figures, "candidates": measured.selection.candidates, "peak_memory_mb": peak_mb}
        if not arguments.json:
            _print(name, found[name], repr(measured.selection.parameters))
    if arguments.json:
        print(json.dumps(found, indent=2))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--time-limit", type=float, default=120.0)
    parser.add_argument("--only", choices=("gowalla", "movielens-1m"))
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _print(name: str, figures: dict[str, Any], recipe: str) -> None:
    print(f"\n{name}")
    for key, value in figures.items():
        print(f"  {key:16}{value:>10.4f}" if isinstance(value, float) else f"  {key:16}{value:>10}")
    for model, published in PUBLISHED[name].items():
        print(f"  published {model:12}{published}")
    print(f"  {recipe}")


def gowalla(data: Path) -> Protocol | None:
    """LightGCN's split: 29,858 users, 40,981 items, no times."""
    folder = data / "lightgcn-gowalla"
    if not folder.is_dir():
        return None
    return given_split(read_tables(folder / "train.parquet", folder / "test.parquet"))


def movielens(data: Path) -> Protocol | None:
    """SASRec's order of ML-1M, one line a user: the last item is asked for among all 3,416."""
    path = data / "movielens-1m" / "sasrec_sequences.txt"
    if not path.is_file():
        return None
    sequences = [np.fromstring(line, np.int32, sep=" ") for line in path.read_text().splitlines()]
    _, items = np.unique(np.concatenate(sequences), return_inverse=True)
    count = len(items)
    interactions = Interactions.ordered(
        np.repeat(np.arange(len(sequences), dtype=np.int32), [len(one) for one in sequences]),
        items.astype(np.int32),
        np.arange(count, dtype=np.float64),
        np.full(count, EVENT_CODES[EventType.CONSUME], np.int8),
        user_count=len(sequences),
        item_count=int(items.max()) + 1,
    )
    return split_by_rule(Tables(interactions, interactions.slice_of(0, 0), dated=False), LEAVE_ONE_OUT)


if __name__ == "__main__":
    main()
