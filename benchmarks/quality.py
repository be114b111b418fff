"""Quality on public data, full ranking: published protocols, a real shop's last month, next clicks, and cold items.

Usage: python benchmarks/quality.py [--form smoke|short|long] [--data DIR] [--time-limit S] [--only NAME] [--json]
Data that are not at hand are skipped with a notice.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet
from told import Told, parser

from evershelf.contracts.events import EventType
from evershelf.models.interactions import EVENT_CODES, Interactions
from evershelf.training.descriptions import described_by
from evershelf.training.files import Tables, read_tables
from evershelf.training.offline import evaluate_offline
from evershelf.training.protocols import LEAVE_ONE_OUT, Asking, Protocol

# What others published for the same protocol, or what was measured beside the data.
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
    "online-retail": {"popularity": "recall@20 .037", "EASE": "recall@20 .106"},
    "movielens-100k": {"SASRec": "hit_rate@10 .192, ndcg@10 .097", "item-kNN": "hit_rate@10 .151, ndcg@10 .078"},
    "movielens-100k-strict": {"untuned prototype": "hit_rate@10 .195, ndcg@10 .100"},
    "cold-items": {"chance": "cold_random_recall@10"},
}
HIDDEN_SHARE = 0.15

Column = np.ndarray[Any, np.dtype[Any]]  # Any: a column of any kind
Read = Callable[[Path], "tuple[Protocol, Tables] | None"]


def main() -> None:
    """Measures each data set that is at hand and prints its figures beside the published ones."""
    arguments = _arguments()
    told = Told("models")
    for name in [arguments.only] if arguments.only else FORMS[arguments.form]:
        given = SETS[name](arguments.data)
        if given is None:
            told.notes.append(f"{name}: skipped, no data under {arguments.data}")
            continue
        protocol, tables = given
        began_s = time.process_time()
        measured = evaluate_offline(protocol, time_limit_s=arguments.time_limit, features=tables.features)
        cpu_s = time.process_time() - began_s  # of all cores: says what it takes on a machine that is otherwise idle
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # of the process so far
        figures = {**measured.figures, "cpu_seconds": cpu_s, "peak_memory_mb": peak_mb}
        if not arguments.json:
            _print(name, figures, repr(measured.selection.parameters))
        told.rows.append({"data": name} | {key: each for key, each in figures.items() if not isinstance(each, dict)})
        told.notes += [f"{name}, published for {model}: {figure}" for model, figure in PUBLISHED[name].items()]
    if arguments.json or told.notes:
        told.tell(as_json=arguments.json)


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, rounds=1)
    options.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    options.add_argument("--time-limit", type=float, default=120.0)
    options.add_argument("--only", choices=tuple(SETS))
    return options.parse_args()


def _print(name: str, figures: dict[str, Any], recipe: str) -> None:
    print(f"\n{name}")
    for key, value in figures.items():
        if isinstance(value, dict):
            for bucket, means in value.items():
                print(f"  history {bucket:8}", {key: round(mean, 4) for key, mean in means.items()})
        else:
            print(f"  {key:22}{value:>10.4f}" if isinstance(value, float) else f"  {key:22}{value:>10}")
    for model, published in PUBLISHED[name].items():
        print(f"  published {model:12}{published}")
    print(f"  {recipe}")


def gowalla(data: Path) -> tuple[Protocol, Tables] | None:
    """LightGCN's split: 29,858 users, 40,981 items, no times."""
    folder = data / "lightgcn-gowalla"
    if not folder.is_dir():
        return None
    tables = read_tables(folder / "train.parquet", folder / "test.parquet")
    return Protocol.given(tables), tables


def movielens(data: Path) -> tuple[Protocol, Tables] | None:
    """SASRec's order of ML-1M, one line a user: the last item is asked for among all 3,416."""
    path = data / "movielens-1m" / "sasrec_sequences.txt"
    if not path.is_file():
        return None
    sequences = [np.fromstring(line, np.int32, sep=" ") for line in path.read_text().splitlines()]
    users = np.repeat(np.arange(len(sequences)), [len(one) for one in sequences])
    items = np.concatenate(sequences)
    tables = _tables(users, items, np.arange(len(items), dtype=np.float64), EventType.CONSUME, dated=False)
    return Protocol.split(tables, LEAVE_ONE_OUT), tables


def small_movielens(data: Path, asking: Asking = Asking.NEXT) -> tuple[Protocol, Tables] | None:
    """ML-100K by time: each interaction of the last tenth is asked for, given all that its user did before."""
    path = data / "movielens-100k" / "ml-100k.inter"
    if not path.is_file():
        return None
    rows = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter="\t"))
    users, items, _, seconds = (rows.column(place).to_numpy() for place in range(4))
    tables = _tables(users, items, seconds / 86_400, EventType.RATE)
    return Protocol.split(tables, "last-10-percent", asking=asking), tables


def online_retail(data: Path) -> tuple[Protocol, Tables] | None:
    """A shop's last 31 days, items new to the customer; chosen on what came before only."""
    tables = _online_retail(data)
    return None if tables is None else (Protocol.split(tables, "last-31-days"), tables)


def cold_items(data: Path) -> tuple[Protocol, Tables] | None:
    """The same, with 15 % of the items hidden from all that is known: how well are these found among themselves?"""
    tables = _online_retail(data)
    if tables is None:
        return None
    protocol = Protocol.split(tables, "last-31-days")
    hidden = np.random.default_rng(7).random(protocol.known.item_count) < HIDDEN_SHARE
    known = protocol.known.where(~hidden[protocol.known.items])
    return replace(protocol, known=known, told=known), tables


def _online_retail(data: Path) -> Tables | None:
    folder = data / "uci-online-retail"
    if not folder.is_dir():
        return None
    lines = parquet.read_table(folder / "online_retail.parquet")
    kept = lines.filter(
        (pc.field("Quantity") > 0)
        & (pc.field("UnitPrice") > 0)
        & pc.field("CustomerID").is_valid()
        & ~pc.starts_with(pc.field("InvoiceNo"), "C")
        & pc.match_substring_regex(pc.field("StockCode"), "^[0-9]{5}")
    )
    days = kept["InvoiceDate"].to_numpy().astype("datetime64[s]").astype(np.int64) / 86_400
    codes = np.asarray(kept["StockCode"].to_pylist())
    products = csv.read_csv(
        folder / "products.csv", convert_options=csv.ConvertOptions(column_types={"StockCode": pa.string()})
    )
    described = pa.table({"item": products["StockCode"], "title": products["title"], "price": products["price"]})
    tables = _tables(kept["CustomerID"].to_numpy(), codes, days, EventType.PURCHASE)
    return replace(tables, features=described_by(described, np.unique(codes).tolist()))


def _tables(users: Column, items: Column, days: Column, kind: EventType, *, dated: bool = True) -> Tables:
    user_ids, user_numbers = np.unique(users, return_inverse=True)
    item_ids, item_numbers = np.unique(items, return_inverse=True)
    order = np.lexsort((np.arange(len(users)), days, user_numbers))
    interactions = Interactions(
        user_numbers.astype(np.int32)[order],
        item_numbers.astype(np.int32)[order],
        np.asarray(days, np.float64)[order],
        np.full(len(users), EVENT_CODES[kind], np.int8),
        user_count=len(user_ids),
        item_count=len(item_ids),
    )
    return Tables(interactions, interactions.slice_of(0, 0), dated=dated)


SETS: dict[str, Read] = {
    "movielens-1m": movielens,
    "gowalla": gowalla,
    "online-retail": online_retail,
    "movielens-100k": small_movielens,
    "movielens-100k-strict": partial(small_movielens, asking=Asking.NEXT_STRICT),
    "cold-items": cold_items,
}
FORMS = {"smoke": (), "short": ("movielens-100k",), "long": tuple(SETS)}


if __name__ == "__main__":
    main()
