"""What telemetry costs a gateway: metrics, logs, decisions and traces, each on and off; CPU per answer, interleaved.

Usage: python benchmarks/telemetry.py [--form smoke|short|long] [--json] [--rounds 6] [--connections 16]
Real gateways answer in full with a stand-in for inference, as in `front.py`. Everything is compared with the gateway as
shipped: metrics counted, one answer in a hundred logged, at most 200 answers a second recorded, none traced.
"""

import asyncio
import tempfile
from pathlib import Path

from front import NEVER_SHED, SIZES, TRACED, Variant, measure
from told import Told, parser

LOG_SHARE, DECISIONS_PER_S, TRACE_SHARE = (
    f"EVERSHELF_{name}" for name in ("GATEWAY_ANSWER_LOG_SHARE", "GATEWAY_DECISIONS_PER_S_MAX", "TRACE_SHARE")
)
NEARLY_NONE = {DECISIONS_PER_S: "0.001"}
NOTHING = {LOG_SHARE: "0", **NEARLY_NONE}
SHIPPED = "as shipped"


def variant(name: str, changed: dict[str, str], *, way: str = "quick") -> Variant:
    """A gateway that answers in full."""
    return Variant(name, way, "home", "personalized", NEVER_SHED | changed)


VARIANTS = (
    variant(SHIPPED, {}),
    variant("no metrics", {}, way="uncounted"),
    variant("no answer logged", {LOG_SHARE: "0"}),
    variant("every answer logged", {LOG_SHARE: "1"}),
    variant("no answer recorded", NEARLY_NONE),
    variant("every answer recorded", {DECISIONS_PER_S: "inf"}),
    variant("traced, 1 %", TRACED | {TRACE_SHARE: "0.01"}),
    variant("traced, all", TRACED | {TRACE_SHARE: "1"}),
    variant("nothing at all", NOTHING, way="uncounted"),
)


def main() -> None:
    """All take turns in every round."""
    options = parser(__doc__, rounds=6)
    options.add_argument("--connections", type=int, default=16)
    arguments = options.parse_args()
    arguments.requests, arguments.items = SIZES[arguments.form]
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as name:
        Path(name).chmod(0o755)  # PostgreSQL runs as another account
        spent = asyncio.run(measure(Path(name), arguments, VARIANTS))
    told = Told("telemetry")
    rows = [
        told.add_rounds({"variant": name}, [{"cpu_us": value} for value in values], "cpu_us")
        for name, values in spent.items()
    ]
    shipped = rows[0]["cpu_us"]
    told.rows = [{**row, "over_shipped_us": row["cpu_us"] - shipped, "ratio": row["cpu_us"] / shipped} for row in rows]
    told.tell(as_json=arguments.json)


if __name__ == "__main__":
    main()
