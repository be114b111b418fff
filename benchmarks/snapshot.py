"""How long a gateway needs until it is ready, from the registry and from its own disk, and what a swap does to answers.

Usage: python benchmarks/snapshot.py [--form smoke|short|long] [--json] [--rounds 3]
Real gateways without inference. The swap: another snapshot is published while one connection asks without pause; told
is the longest answer, which bounds the pause of the event loop from above.
"""

import asyncio
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from accounting import memory_bytes
from told import Told, parser
from world import World, await_ready, closed_loop, free_port, get, snapshot_arrays, stop, world

from evershelf.registry.store import DirectoryRegistry
from evershelf.training.snapshot import publish

SIZES = {"smoke": (1_000,), "short": (10_000, 100_000), "long": (10_000, 100_000, 1_000_000)}
SWAP_S = {"smoke": 1.0, "short": 4.0, "long": 15.0}
READY_S_MAX = {1_000: 2.0, 10_000: 2.0, 100_000: 2.0, 1_000_000: 15.0}
PAUSE_MS_MAX = 20


def main() -> None:
    """Every size in turn."""
    arguments = parser(__doc__).parse_args()
    told = Told("snapshot")
    for items in SIZES[arguments.form]:
        with world(items=items, users=1, history=1) as made:
            rounds = [one_round(made, SWAP_S[arguments.form]) for _ in range(arguments.rounds)]
        row = told.add_rounds({"items": items}, rounds, "ready_from_disk_s")
        ready, pause = f"gateway ready, {items:,} items on its disk", f"pause while {items:,} items are swapped in"
        told.judge(ready, READY_S_MAX[items], "s", lambda each: each["ready_from_disk_s"], row)
        told.judge(pause, PAUSE_MS_MAX, "ms", lambda each: each["swap_max_ms"], row)
    told.tell(as_json=arguments.json)


def one_round(made: World, swap_s: float) -> dict[str, float]:
    """A first start, a second one, and a swap."""
    shutil.rmtree(made.folder / "gateway", ignore_errors=True)
    _, first_s = started(made, swap_s=None)
    swapped, again_s = started(made, swap_s=swap_s)
    return {"ready_from_registry_s": first_s, "ready_from_disk_s": again_s, **swapped}


def started(made: World, *, swap_s: float | None) -> tuple[dict[str, float], float]:
    """What a swap did, where one is wished for, and the seconds from the process's start to ready."""
    port = free_port()
    environment = made.environment("gateway") | {
        "EVERSHELF_GATEWAY_PORT": str(port),
        "EVERSHELF_GATEWAY_SNAPSHOT_POLL_S": "0.5",
        "EVERSHELF_INFERENCE_URL": "http://127.0.0.1:9",
    }
    child = subprocess.Popen([sys.executable, "-m", "evershelf.gateway"], env=environment, stdout=subprocess.DEVNULL)
    try:
        ready_s = await_ready(child, port, "/readyz")
        swapped = asyncio.run(swap(made, port, swap_s)) if swap_s is not None else {}
        if swapped:
            swapped["memory_mib"] = memory_bytes(child.pid)["rss"] / 2**20
    finally:
        stop(child)
    return swapped, ready_s


async def swap(made: World, port: int, seconds: float) -> dict[str, float]:
    """The longest answers without and with a swap."""
    asked = get("/v1/recommendations?placement=popular&k=20", made.key)
    calm = await closed_loop(port, lambda _: asked, connections=1, seconds=seconds / 2)
    publishing = asyncio.create_task(asyncio.to_thread(publish_another, made))
    load = await closed_loop(port, lambda _: asked, connections=1, seconds=seconds)
    await publishing
    return {"calm_max_ms": calm.max_ms, "swap_p50_ms": load.p50_ms, "swap_max_ms": load.max_ms}


def publish_another(made: World) -> None:
    """Made by another process, as `evershelf refresh` does, so that only the gateway's own pause is seen."""
    code = f"import snapshot; snapshot.publish_now({str(made.folder / 'registry')!r}, {made.items})"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=sys.path[0])


def publish_now(registry: str, items: int) -> None:
    """Publishes a snapshot and moves the alias."""
    store = DirectoryRegistry(Path(registry))
    manifest = publish(store, snapshot_arrays(items), items=items, sequence=0, now=datetime.now(UTC))
    pointer = store.read_alias("snapshots", "current")
    assert pointer is not None
    move = {"expected_sequence": pointer.sequence, "moved_by": "bench", "reason": "bench"}
    store.move_alias("snapshots", "current", manifest.version, **move)


if __name__ == "__main__":
    main()
