"""What fitting costs at a given size: seconds and peak memory of each component, on made-up interactions with tastes.

Usage: python benchmarks/train.py [--items 100000] [--events 10000000] [--users 500000] [--memory-limit-gib 20] [--json]
Memory is that of the whole process, the interactions themselves included; past the limit the process fails.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from evershelf.contracts.events import EventType
from evershelf.models.ease import ITEMS_MAX
from evershelf.models.interactions import EVENT_CODES, Interactions
from evershelf.training.fit import Fitted, Fitter, Parameters
from evershelf.training.space import starting_ridge

GIB = 2**30
PORTION = 4_000_000
# A user's taste is a stretch of the catalog of this many items; of ten interactions, two fall outside it.
TASTE_ITEMS = 2_000
OUTSIDE_SHARE = 0.2
DAYS = 90.0

T = TypeVar("T")


def main() -> None:
    """Makes the interactions, fits every component apart and then the blend, and prints what that took."""
    arguments = _arguments()
    limit_bytes = int(arguments.memory_limit_gib * GIB)
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    told: dict[str, float] = {"items": arguments.items, "users": arguments.users, "events": arguments.events}
    made = _timed(told, "making_s", lambda: interactions(arguments.items, arguments.users, arguments.events))
    told["made_peak_mib"] = _peak_mib()
    _compile()
    fitter = Fitter(made, now_days=DAYS)
    ridge = starting_ridge(fitter)
    neighbours = Parameters(regularisation=ridge, co_visitation_weight=0.0)
    followed = Parameters(regularisation=ridge, neighbours_weight=0.0, co_visitation_weight=1.0)
    began_s = time.process_time()
    _timed(told, "co_visitation_s", lambda: fitter.fit(followed))
    _timed(told, "neighbours_s", lambda: fitter.fit(neighbours))
    blend = Parameters(regularisation=ridge, co_visitation_weight=0.3)
    fitted = _timed(told, "blend_s", lambda: fitter.fit(blend))  # both matrices are remembered: what is left of a fit
    told["fitting_s"] = told["co_visitation_s"] + told["neighbours_s"] + told["blend_s"]
    told["fitting_cpu_s"] = time.process_time() - began_s  # of all cores
    told["peak_mib"] = _peak_mib()
    told["artifact_mib"] = sum(_size_bytes(fitted).values()) / 2**20
    if arguments.json:
        print(json.dumps(told))
        return
    print(f"algorithm {fitted.neighbours}, ridge {ridge:g}")
    for name, value in told.items():
        print(f"{name:18}{value:>16,.1f}")


def interactions(items: int, users: int, events: int, *, seed: int = 7) -> Interactions:
    """Made-up interactions in order of user and time; users have tastes, and items are popular by a power law."""
    random = np.random.default_rng(seed)
    who = np.sort(random.integers(users, size=events, dtype=np.int32))
    what = np.empty(events, np.int32)
    width = min(TASTE_ITEMS, items)
    for first in range(0, events, PORTION):
        part = slice(first, min(first + PORTION, events))
        count = part.stop - part.start
        begins = (who[part].astype(np.int64) * 7_919) % items  # each user's stretch of the catalog
        inside = (width * random.random(count) ** 2).astype(np.int64)
        anywhere = (items * random.random(count) ** 3).astype(np.int64)
        outside = random.random(count) < OUTSIDE_SHARE
        what[part] = np.where(outside, anywhere, begins + inside) % items
    starts = np.searchsorted(who, np.arange(users + 1))
    places = np.arange(events) - starts[who]
    days = np.asarray(places / np.maximum(np.diff(starts)[who], 1) * DAYS, np.float64)
    kinds = np.full(events, EVENT_CODES[EventType.VIEW_ITEM], np.int8)
    return Interactions(who, what, days, kinds, user_count=users, item_count=items)


def _compile() -> None:
    """Fits something tiny, so that compiling is not counted."""
    tiny = Fitter(interactions(ITEMS_MAX + 1, 50, 500), now_days=DAYS)
    tiny.fit(Parameters(co_visitation_weight=0.3))


def _timed(told: dict[str, float], name: str, work: Callable[[], T]) -> T:
    began_s = time.perf_counter()
    done = work()
    told[name] = time.perf_counter() - began_s
    return done


def _size_bytes(fitted: Fitted) -> dict[str, int]:
    return {name: rows.indptr.nbytes + rows.indices.nbytes + rows.weights.nbytes for name, rows in fitted.rows.items()}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=500_000)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--memory-limit-gib", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
