"""Latency and what is answered by offered load: an open loop at a tenth to ten times of what the installation carries.

Usage: python benchmarks/overload.py [--form smoke|short|long] [--json] [--rate PER_S]
A real installation with a small shop on this machine, as drills use it; requests go out on schedule whether or not
answers come, and latencies count from the scheduled time. The peak is found first: the highest rate at which 99 % are
valid and in time and the model gives 95 %. Every answer is judged. What is promised under overload is decided by
`evershelf drill run overload`; this draws the curve.
"""

import asyncio
import tempfile
from pathlib import Path

from accounting import cpu_s
from told import Told, parser

from evershelf.drills.campaign import rig_in
from evershelf.drills.figures import Figures, figures
from evershelf.drills.load import Load, judged
from evershelf.drills.overload import END_S_MAX, find_peak, in_time_share
from evershelf.drills.plan import Plan, Stream
from evershelf.drills.rig import GATEWAY, INFERENCE, Rig
from evershelf.drills.run import Options, warm_up

SECONDS = {"smoke": 1.0, "short": 4.0, "long": 8.0}
TIMES = {
    "smoke": (1.0, 2.0),
    "short": (0.5, 1.0, 2.0, 5.0, 10.0),
    "long": (0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0),
}
SMOKE_PER_S = 20.0
ASKS, REST_S, SEED, CONNECTIONS_MAX, GIVE_UP_S = 2_000, 2.0, 1, 2_000, 3.0


def main() -> None:
    """Finds the peak, then climbs."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--rate", type=float, help="the peak, where it is known")
    arguments = options.parse_args()
    told = Told("overload")
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as name:
        Path(name).chmod(0o755)  # PostgreSQL runs as another account
        with rig_in(Path(name), seed=SEED) as rig:
            peak_per_s = SMOKE_PER_S if arguments.form == "smoke" else arguments.rate
            asyncio.run(climb(told, rig, TIMES[arguments.form], SECONDS[arguments.form], peak_per_s))
    told.tell(as_json=arguments.json)


async def climb(told: Told, rig: Rig, times: tuple[float, ...], seconds: float, peak_per_s: float | None) -> None:
    """A row for each multiple of the peak."""
    await rig.start()
    direct = rig.environment(direct=True)
    rig.kill(GATEWAY)
    urls = {name: direct[name] for name in ("EVERSHELF_INFERENCE_URL", "EVERSHELF_DATABASE_URL")}
    rig.start_gateway(**urls)  # past the proxy, which would be what is overloaded first
    await warm_up(rig, Options(seed=SEED))
    peak_per_s = peak_per_s or await find_peak(rig, seed=SEED)
    told.notes.append(f"peak: {peak_per_s:.0f} requests/s with 99 % valid in time and 95 % from the model")
    for multiple in times:
        row = await offered(rig, peak_per_s * multiple, seconds)
        told.rows.append({"times_peak": multiple, "offered_per_s": peak_per_s * multiple, **row})
        await asyncio.sleep(REST_S)


async def offered(rig: Rig, rate_per_s: float, seconds: float) -> dict[str, float]:
    """What came of one rate."""
    stream = Stream("all", (rig.ports[GATEWAY],), rate_per_s, tuple(rig.shop.asks(ASKS, seed=SEED)))
    pids = [rig.processes[name].pid for name in (GATEWAY, INFERENCE)]
    load = Load(Plan(seconds, (stream,), seed=SEED, connections_max=CONNECTIONS_MAX, give_up_s=GIVE_UP_S))
    try:
        before_s = [cpu_s(pid) for pid in pids if pid]
        await asyncio.to_thread(load.wait, seconds + END_S_MAX)
        spent_s = [cpu_s(pid) for pid in pids if pid]
        found: Figures = figures(judged(load, rig.shop.catalog).verdicts, [stream.asks], seconds=seconds)
    finally:
        load.close()
    cpu_us = [(after - before) / found.requests * 1e6 for after, before in zip(spent_s, before_s, strict=True)]
    return {
        "in_time_share": in_time_share(found),
        "in_time_per_s": found.in_time / seconds,
        "model_per_s": found.sources.get("model", 0) / seconds,
        "wrong": found.wrong,
        "p50_ms": found.p50_ms,
        "p99_ms": found.p99_ms,
        "max_ms": found.max_ms,
        "gateway_us": cpu_us[0],
        "inference_us": cpu_us[1],
    }


if __name__ == "__main__":
    main()
