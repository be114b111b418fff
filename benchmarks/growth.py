"""How the time of fitting grows with the interactions: the same catalog, each step with twice or four times as many.

Usage: python benchmarks/growth.py [--form smoke|short|long] [--json] [--rounds 1]
Each size is fitted by `train.py` in a process of its own, with as many interactions a user at every size. Held against
the target is the time an interaction at the largest size, over that at the smallest: at most 1 is linear or better.
"""

import json
import subprocess
import sys
from pathlib import Path

from told import Told, parser

PROGRAM = Path(__file__).with_name("train.py")
EVENTS_A_USER = 20
# (items, interactions of each step)
SIZES = {
    "smoke": (500, (5_000, 10_000)),
    "short": (20_000, (500_000, 1_000_000, 2_000_000)),
    "long": (50_000, (1_000_000, 4_000_000)),
}


def main() -> None:
    """The sizes take turns."""
    arguments = parser(__doc__, rounds=1).parse_args()
    told, (items, sizes) = Told("growth"), SIZES[arguments.form]
    found: dict[int, list[dict[str, float]]] = {events: [] for events in sizes}
    for _ in range(arguments.rounds):
        for events, rounds in found.items():
            rounds.append(fitted(items, events))
    rows = [
        told.add_rounds({"items": items, "interactions": events}, rounds, "us_an_interaction")
        for events, rounds in found.items()
    ]
    told.judge(
        f"time to fit an interaction, {sizes[-1]:,} of them over {sizes[0]:,}",
        1.0,
        "x",
        lambda few, many: many["us_an_interaction"] / few["us_an_interaction"],
        rows[0],
        rows[-1],
    )
    told.tell(as_json=arguments.json)


def fitted(items: int, events: int) -> dict[str, float]:
    """What one fit took."""
    sizes = ("--items", items, "--events", events, "--users", events // EVENTS_A_USER)
    command = [sys.executable, PROGRAM, *sizes, "--json"]
    done = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True)
    figures = json.loads(done.stdout)
    return {
        "fitting_s": figures["fitting_s"],
        "us_an_interaction": figures["fitting_s"] / events * 1e6,
        "peak_mib": figures["peak_mib"],
    }


if __name__ == "__main__":
    main()
