"""What gateway and inference hold in memory with a catalog of some size, after load, as the kernel accounts it.

Usage: python benchmarks/memory.py [--form smoke|short|long] [--json]
`rss` counts shared pages in full, `pss` by the share of each process that maps them; targets are held against `rss`.
"""

import asyncio

from accounting import memory_bytes
from told import Target, Told, parser
from world import K, closed_loop, gateway, get, inference, world

SIZES = {"smoke": (1_000,), "short": (100_000,), "long": (100_000, 1_000_000)}
SECONDS = {"smoke": 0.3, "short": 5.0, "long": 20.0}
USERS, HISTORY, CONNECTIONS = 1_000, 10, 32
MIB = 2**20
LIMITS_MIB = {100_000: (300, 400), 1_000_000: (1_536, 2_048)}


def main() -> None:
    """Every size in turn."""
    arguments = parser(__doc__, rounds=1).parse_args()
    told = Told("memory")
    for items in SIZES[arguments.form]:
        with (
            world(items=items, users=USERS, history=HISTORY) as made,
            inference(made, "inference") as (port, model_pid),
            gateway(made, "gateway", inference=f"http://127.0.0.1:{port}") as (gateway_port, gateway_pid),
        ):
            load = asyncio.run(
                closed_loop(
                    gateway_port,
                    lambda turn, key=made.key: get(f"/v1/recommendations?user_id=user-{turn % USERS}&k={K}", key),
                    connections=CONNECTIONS,
                    seconds=SECONDS[arguments.form],
                )
            )
            held = {"gateway": memory_bytes(gateway_pid), "inference": memory_bytes(model_pid)}
        told.rows += [
            {"process": name, "items": items, "requests": load.requests}
            | {f"{kind}_mib": size / MIB for kind, size in sizes.items()}
            for name, sizes in held.items()
        ]
        for (name, sizes), limit in zip(held.items(), LIMITS_MIB.get(items, ()), strict=False):
            told.targets.append(Target(f"memory of {name}, {items:,} items", limit, "MiB", sizes["rss"] / MIB))
    told.tell(as_json=arguments.json)


if __name__ == "__main__":
    main()
