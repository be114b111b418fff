"""What a question to inference costs the gateway: aiohttp against the lean client, one by one and in batches.

    python benchmarks/hop.py [--form smoke|short|long] [--rounds 3] [--seconds 2] [--json]

The gateway's own InferenceClient asks a stand-in for inference (the same server software, replies of real size, no
ranking) over TCP. Each variant runs in a process of its own, interleaved with the others in every round; CPU is what
the operating system accounts to each process; the figures are medians over the rounds, and their ratios.
"""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import time
from random import Random

import aiohttp
import orjson
import uvicorn
import uvloop
from accounting import cpu_s
from told import Told, parser

from evershelf.contracts.events import EventType
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.hop import Address, Hop, HopReply, HttpHop
from evershelf.gateway.inference_client import InferenceClient
from evershelf.gateway.outside import Outside
from evershelf.gateway.rank_wire import RANK_PATH
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry

HISTORY_ITEMS = 50
K = 40
CONCURRENCIES = (1, 16, 64)
SECONDS = {"smoke": 0.1, "short": 1.0, "long": 2.0}
REPLY_BYTES_MAX = 512 * 1_024
# name -> (client, slots, batch)
VARIANTS = {
    "aiohttp, one by one": ("aiohttp", 64, 1),
    "aiohttp, 2 slots": ("aiohttp", 2, 32),
    "lean, one by one": ("lean", 64, 1),
    "lean, 1 slot": ("lean", 1, 32),
    "lean, 2 slots": ("lean", 2, 32),
    "lean, 4 slots": ("lean", 4, 32),
}


class AiohttpHop:
    """The seam on aiohttp, as the gateway used it before."""

    def __init__(self, address: Address) -> None:
        self._url = f"http://{address.host}:{address.port}{RANK_PATH}"
        self._session: aiohttp.ClientSession | None = None

    def post(self, headers: bytes, body: bytes) -> "asyncio.Future[HopReply]":
        """See Hop."""
        return asyncio.get_running_loop().create_task(self._post(headers, body))

    async def close(self) -> None:
        """See Hop."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, headers: bytes, body: bytes) -> HopReply:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=64), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        lines = dict(line.split(": ", 1) for line in headers.decode().splitlines())
        lines |= {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with self._session.post(self._url, data=body, headers=lines, allow_redirects=False) as response:
            content = bytearray()
            async for chunk in response.content.iter_any():
                content += chunk
            return HopReply(response.status, bytes(content))


def main() -> None:
    """Runs the variants in turn and prints what they cost."""
    options = parser(__doc__)
    options.add_argument("--seconds", type=float)
    options.add_argument("--serve", type=int)
    options.add_argument("--client", nargs=2)
    arguments = options.parse_args()
    seconds = arguments.seconds or SECONDS[arguments.form]
    if arguments.serve is not None:
        serve(arguments.serve)
    elif arguments.client:
        name, port = arguments.client
        print(json.dumps(uvloop.run(measure(name, int(port), seconds))))
    else:
        report(run(arguments.rounds, seconds), as_json=arguments.json)


def run(rounds: int, seconds: float) -> dict[str, dict[int, list[dict[str, float]]]]:
    """Every variant's figures by concurrency, one a round."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(port)])
    found: dict[str, dict[int, list[dict[str, float]]]] = {name: {} for name in VARIANTS}
    try:
        wait_for(port)
        for _ in range(rounds):
            for name in VARIANTS:
                command = [sys.executable, __file__, "--client", name, str(port), "--seconds", str(seconds)]
                os.environ["HOP_SERVER_PID"] = str(server.pid)
                told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                for concurrency, figures in told.items():
                    found[name].setdefault(int(concurrency), []).append(figures)
    finally:
        server.terminate()
        server.wait(10)
    return found


def report(found: dict[str, dict[int, list[dict[str, float]]]], *, as_json: bool) -> None:
    """Medians by variant and concurrency, each with its ratio to the first variant."""
    told = Told("hop")
    for concurrency in CONCURRENCIES:
        rows = [
            told.add_rounds({"variant": name, "concurrency": concurrency}, rounds[concurrency], "gateway_us")
            for name, rounds in found.items()
        ]
        first = rows[0]["gateway_us"]
        told.rows[-len(rows) :] = [{**row, "ratio": row["gateway_us"] / first} for row in rows]
    told.tell(as_json=as_json)


async def measure(name: str, port: int, seconds: float) -> dict[int, dict[str, float]]:
    """One variant's figures at each concurrency."""
    kind, slots, batch = VARIANTS[name]
    settings = GatewaySettings(
        key_secret="00" * 32,
        inference_url=f"http://127.0.0.1:{port}",
        gateway_inference_slots=slots,
        gateway_inference_batch_max=batch,
        gateway_inference_concurrency_max=256,
        gateway_inference_queue_ms_max=1e6,  # a busy machine must not change what is measured
        gateway_inference_slow_ms=1e6,
    )

    def open_hop(address: Address, _: GatewaySettings) -> Hop:
        return AiohttpHop(address) if kind == "aiohttp" else HttpHop(address, RANK_PATH, body_bytes_max=REPLY_BYTES_MAX)

    client = InferenceClient(settings, Telemetry(), outside=Outside(), open_hop=open_hop)
    await client.start()
    found = {}
    for concurrency in CONCURRENCIES:
        await window(client, concurrency, 0.3)
        found[concurrency] = await window(client, concurrency, seconds)
    await client.close()
    return found


async def window(client: InferenceClient, concurrency: int, seconds: float) -> dict[str, float]:
    """Asks in a closed loop for so long."""
    chance = Random(7)
    histories = [
        [(f"item-{chance.randrange(9_999)}", EventType.VIEW_ITEM, 60.0 * n) for n in range(HISTORY_ITEMS)]
        for _ in range(64)
    ]
    times_ms: list[float] = []
    until_s = time.perf_counter() + seconds

    async def ask_on(history: list[tuple[str, EventType, float]]) -> None:
        while (began_s := time.perf_counter()) < until_s:
            reply = await client.rank(
                history, k=K, exclude=(), evidence=True, answered=Reason.PERSONALIZED, remaining_ms=2_000.0
            )
            assert reply.outcome is Reason.PERSONALIZED, reply.outcome
            times_ms.append((time.perf_counter() - began_s) * 1_000)

    began_s, own_s, server_s = time.perf_counter(), own_cpu_s(), server_cpu_s()
    await asyncio.gather(*(ask_on(histories[n % 64]) for n in range(concurrency)))
    elapsed_s, count = time.perf_counter() - began_s, len(times_ms)
    times_ms.sort()
    return {
        "gateway_us": (own_cpu_s() - own_s) / count * 1e6,
        "inference_us": (server_cpu_s() - server_s) / count * 1e6,
        "per_s": count / elapsed_s,
        "p50_ms": times_ms[count // 2],
        "p99_ms": times_ms[count * 99 // 100],
    }


def own_cpu_s() -> float:
    """CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def server_cpu_s() -> float:
    """CPU that the stand-in has used."""
    return cpu_s(int(os.environ["HOP_SERVER_PID"]))


def serve(port: int) -> None:
    """The stand-in: raw ASGI, a sound ranking of K items for each question, blamed on what it named."""

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()  # type: ignore[operator]
            body, more = body + message.get("body", b""), message.get("more_body", False)
        answer = orjson.dumps(
            {"model_version": "stand-in", "rankings": [ranked(each) for each in orjson.loads(body)["queries"]]}
        )
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": answer})  # type: ignore[operator]

    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", lifespan="off", log_level="critical")


def ranked(query: dict[str, list[dict[str, str]]]) -> dict[str, object]:
    """A ranking as inference gives it."""
    told = [each["item_id"] for each in query["history"][:3]]
    evidence = [{"item_id": item_id, "share": 0.25} for item_id in told]
    items = [{"item_id": f"item-{n}", "score": 1.0 - n / 100, "evidence": evidence} for n in range(K)]
    return {"items": items, "confidence": 1.0, "confident": True}


def wait_for(port: int) -> None:
    """Returns once the stand-in listens."""
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("the stand-in did not start")


if __name__ == "__main__":
    main()
