"""How many events a second a gateway makes durable: one by one and in batches; each is on disk before it is answered.

Usage: python benchmarks/intake.py [--form smoke|short|long] [--json] [--rounds 3]
A real gateway and PostgreSQL. One event a request on 64 connections, and batches of 100 on 8; all must be accepted.
CPU is that of the gateway, shipping included, and of PostgreSQL.
"""

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import orjson
from accounting import cpu_s, family_cpu_s
from told import Told, parser
from world import World, closed_loop, gateway, item_id, post, world

SECONDS = {"smoke": 0.3, "short": 3.0, "long": 8.0}
WAYS = {"one by one": (64, 1), "batches of 100": (8, 100)}
LIMITS = {"one by one": 5_000, "batches of 100": 30_000}
P99_MS_MAX = 60


def main() -> None:
    """The two ways take turns."""
    arguments = parser(__doc__).parse_args()
    told = Told("intake")
    rounds: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with world(items=1_000, users=1, history=1) as made, gateway(made, "gateway", inference="http://127.0.0.1:9") as up:
        for number in range(-1, arguments.rounds):
            for way, (connections, size) in WAYS.items():
                figures = asyncio.run(one_round(made, *up, connections, size, SECONDS[arguments.form]))
                if number >= 0:
                    rounds[way].append(figures)
    rows = {way: told.add_rounds({"way": way}, found, "cpu_us_an_event") for way, found in rounds.items()}
    for way, row in rows.items():
        rate = f"durable events, {way}"
        told.judge(rate, LIMITS[way], "events/s", lambda each: each["events_per_s"], row, at_least=True)
        told.judge(f"{rate}, p99", P99_MS_MAX, "ms", lambda each: each["p99_ms"], row)
    told.tell(as_json=arguments.json)


async def one_round(  # noqa: PLR0917 - what runs, and how it is asked
    made: World, port: int, pid: int, connections: int, size: int, seconds: float
) -> dict[str, float]:
    """Rates, times, and CPU an event of gateway and PostgreSQL."""
    now = datetime.now(UTC).isoformat()

    def asked(turn: int) -> bytes:
        events = [
            {"event_id": str(uuid4()), "user_id": f"user-{turn % 5_000}", "item_id": item_id(turn % 1_000),
             "event_type": "view_item", "occurred_at": now}
            for _ in range(size)
        ]  # fmt: skip
        return post("/v1/events", made.key, orjson.dumps({"events": events}))

    before, postgres_s = cpu_s(pid), family_cpu_s(made.postgres_pid)
    load = await closed_loop(
        port,
        asked,
        connections=connections,
        seconds=seconds,
        judged=lambda body: "accepted" if json.loads(body)["accepted"] == size else "refused",
    )
    if set(load.by) != {"accepted"}:
        raise SystemExit(f"not every event was accepted: {load.by}")
    events = load.requests * size
    return {
        "events_per_s": events / load.elapsed_s,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        "cpu_us_an_event": (cpu_s(pid) - before) / events * 1e6,
        "postgres_us_an_event": (family_cpu_s(made.postgres_pid) - postgres_s) / events * 1e6,
    }


if __name__ == "__main__":
    main()
