"""What the baseline costs: the ladder and the composing of k = 20 items in memory, by size of the catalog.

Usage: python benchmarks/baseline.py [--form smoke|short|long] [--json] [--rounds 5]
CPU of this process, no server: the production code on a shelf of made-up items, for users who are known (all rungs),
unknown (popular items) and on a placement that hides what was seen. The sizes take turns in every round.
"""

import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from told import Told, parser
from world import K, history_of, snapshot_arrays

from evershelf.contracts.recommendations import Reason, Source
from evershelf.gateway.shelf import Shelf, load_shelf
from evershelf.policy.compose import ModelReply, compose
from evershelf.policy.ladder import Query, baseline
from evershelf.registry.store import DirectoryRegistry
from evershelf.training.snapshot import publish

SIZES = {"smoke": (1_000, 2_000), "short": (10_000, 100_000), "long": (10_000, 100_000, 1_000_000)}
ANSWERS = {"smoke": 20, "short": 1_000, "long": 3_000}
LADDER = (Source.MODEL, Source.RELATED, Source.POPULAR_IN_CATEGORY, Source.POPULAR, Source.STATIC)
HISTORY = 10


def main() -> None:
    """Loads a shelf of each size and takes turns."""
    arguments = parser(__doc__, rounds=5).parse_args()
    answers = ANSWERS[arguments.form]
    told = Told("baseline")
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as name:
        shelves = {items: shelf_of(items, Path(name)) for items in SIZES[arguments.form]}
        cases = {(kind, items): [] for items in shelves for kind in ("known", "unknown", "hiding")}
        for number in range(-1, arguments.rounds):
            for (kind, items), rounds in cases.items():
                us = measured_us(shelves[items], kind, items, answers)
                if number >= 0:
                    rounds.append({"cpu_us": us})
    rows = {
        case: told.add_rounds({"user": case[0], "items": case[1]}, rounds, "cpu_us") for case, rounds in cases.items()
    }
    sizes = list(shelves)
    worst = max(rows.values(), key=lambda row: row["cpu_us"])
    told.judge("baseline answer, k = 20, CPU, slowest kind of user", 50, "us", lambda row: row["cpu_us"], worst)
    ends = [rows[kind, size] for kind in ("known", "unknown") for size in (sizes[-1], sizes[0])]
    told.judge(f"baseline answer, {sizes[-1]:,} items over {sizes[0]:,}", 1.5, "x", growth, *ends)
    told.tell(as_json=arguments.json)


def growth(*ends: Mapping[str, float]) -> float:
    """The worst ratio of a large catalog's cost to a small one's; they come in pairs."""
    return max(large["cpu_us"] / small["cpu_us"] for large, small in zip(ends[::2], ends[1::2], strict=True))


def shelf_of(items: int, folder: Path) -> Shelf:
    """A shelf as a gateway loads it."""
    registry = DirectoryRegistry(folder / str(items))
    manifest = publish(registry, snapshot_arrays(items), items=items, sequence=0, now=datetime.now(UTC))
    return load_shelf(registry.fetch("snapshots", manifest.version, folder / f"copy-{items}"), manifest)


def measured_us(shelf: Shelf, kind: str, items: int, answers: int) -> float:
    """CPU of one baseline answer, in us."""
    queries = [query_of(kind, user, items) for user in range(answers)]
    reply = ModelReply(Reason.NO_HISTORY)
    began_s = time.process_time()
    for query in queries:
        composed = compose(shelf, query, reply, baseline(shelf, query))
    spent_s = time.process_time() - began_s
    assert len(composed.candidates) == K
    return spent_s / answers * 1e6


def query_of(kind: str, user: int, items: int) -> Query:
    """What one user asks."""
    history = () if kind == "unknown" else tuple(history_of(user, items, HISTORY))
    return Query(
        k=K,
        ladder=LADDER,
        history=history,
        context_items=(),
        category=None,
        hidden=frozenset(history) if kind == "hiding" else frozenset(),
        now_s=time.time(),
    )


if __name__ == "__main__":
    main()
