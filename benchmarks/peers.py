"""Our inference service against BentoML, LitServe, MLServer and plain FastAPI serving the same scorer, in one run.

Usage: python benchmarks/peers.py [--form smoke|short|long] [--json] [--rounds 3] [--concurrency 32]
Each peer is installed into an environment of its own that is thrown away, skipped with a notice where that fails, and
serves our artifact through our kernel (`peer_services/`), without access logs; before anything is measured, its list
must be the one that our service gives. All take turns in every round. CPU is that of all processes of each, as the
operating system accounts it. All answer ids and scores; ours is also measured with the evidence of each item.
"""

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accounting import cpu_s, descendants
from environments import installed, scorer_packages, version_in
from told import Told, parser
from world import K, World, closed_loop, free_port, history_of, inference, post, process, world

RANK_PATH = "/v1/rank"
SERVICES = Path(__file__).with_name("peer_services")
SOURCE = Path(__file__).resolve().parents[1] / "src"
USERS, HISTORY, ASKED_K = 500, 10, 2 * K
SIZES = {"smoke": 2_000, "short": 100_000, "long": 100_000}
SECONDS = {"smoke": 0.2, "short": 1.5, "long": 3.0}
WARM_UP_S = 1.0
RATIO_MIN = 5
OURS, WITH_EVIDENCE = "evershelf", "evershelf, with evidence"
PLAIN, PAIR = "FastAPI", "FastAPI + httpx + FastAPI"


@dataclass(frozen=True)
class Peer:
    """A way to serve the scorer: what to install, what to run (`{bin}`, `{port}`), where and in which form to ask."""

    name: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    path: str
    ready: str
    ratio_min: float | None = None
    tensors: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


PEERS = (
    Peer(
        "BentoML",
        ("bentoml",),
        ("{bin}/python", "-m", "bentoml", "serve", "bento:Scorer", "--port", "{port}", "--working-dir", str(SERVICES)),
        "/rank",
        "/readyz",
        RATIO_MIN,
        environment={"BENTOML_DO_NOT_TRACK": "True"},
    ),
    Peer("LitServe", ("litserve",), ("{bin}/python", str(SERVICES / "lit.py")), "/predict", "/health", RATIO_MIN),
    Peer(
        "MLServer",
        ("mlserver",),
        ("{bin}/mlserver", "start", "."),
        "/v2/models/scorer/infer",
        "/v2/models/scorer/ready",
        RATIO_MIN,
        tensors=True,
    ),
    Peer(
        PLAIN,
        ("fastapi", "uvicorn[standard]", "httpx"),
        ("{bin}/python", str(SERVICES / "plain.py"), "scorer"),
        "/rank",
        "/readyz",
    ),
)


@dataclass(frozen=True)
class Served:
    """One of the rivals, running."""

    name: str
    port: int
    pids: Sequence[int]
    path: str
    tensors: bool = False


def main() -> None:
    """Installs, serves, takes turns."""
    options = parser(__doc__)
    options.add_argument("--concurrency", type=int, default=32)
    arguments = options.parse_args()
    told, seconds = Told("peers"), SECONDS[arguments.form]
    with (
        tempfile.TemporaryDirectory(prefix="evershelf-bench-peers-") as name,
        world(items=SIZES[arguments.form], users=1, history=1) as made,
        ExitStack() as stack,
    ):
        port, pid = stack.enter_context(inference(made, "inference"))
        rivals = [Served(name, port, [pid], RANK_PATH) for name in (OURS, WITH_EVIDENCE)]
        rivals += started(made, Path(name), told, stack, smoke=arguments.form == "smoke")
        expected = asyncio.run(list_of(made, rivals[0]))
        for rival in rivals[1:]:
            if asyncio.run(list_of(made, rival)) != expected:
                raise SystemExit(f"{rival.name} gives another list than {OURS}")
        found: dict[str, list[dict[str, float]]] = {}
        for number in range(-1, arguments.rounds):
            for rival in rivals:
                window_s = seconds if number >= 0 else min(seconds, WARM_UP_S)
                figures = asyncio.run(one_round(made, rival, arguments.concurrency, window_s))
                if number >= 0:
                    found.setdefault(rival.name, []).append(figures)
    rows = {
        name: told.add_rounds({"service": name, "concurrency": arguments.concurrency}, rounds, "cpu_us")
        for name, rounds in found.items()
    }
    decide(told, rows)
    told.tell(as_json=arguments.json)


def started(made: World, folder: Path, told: Told, stack: ExitStack, *, smoke: bool) -> Iterator[Served]:
    """Every peer that can be had, running. The smoke form installs nothing: plain FastAPI, which we have, stands in."""
    for peer in PEERS:
        if smoke and peer.name != PLAIN:
            told.notes.append(f"{peer.name}: skipped, the smoke form installs nothing")
            continue
        python = Path(sys.executable) if smoke else installed(folder / peer.name, [*peer.packages, *scorer_packages()])
        if isinstance(python, str):
            told.notes.append(f"{peer.name}: skipped, it cannot be installed: {python}")
            continue
        told.notes.append(f"{peer.packages[0]} {version_in(python, peer.packages[0])}")
        port, pids = stack.enter_context(serving(made, peer, python, folder))
        yield Served(peer.name, port, pids, peer.path, peer.tensors)
        if peer.name == PLAIN and not smoke:
            front = Peer(PAIR, (), (*peer.command[:-1], "front"), peer.path, peer.ready)
            changed = {"SCORER": f"http://127.0.0.1:{port}"}
            front_port, front_pids = stack.enter_context(serving(made, front, python, folder, **changed))
            yield Served(PAIR, front_port, [*front_pids, *pids], peer.path)


@contextmanager
def serving(made: World, peer: Peer, python: Path, folder: Path, **changed: str) -> Iterator[tuple[int, list[int]]]:
    """Port and pids of a running peer; none of its processes outlives the block."""
    port, work = free_port(), folder / f"{peer.name}-work"
    work.mkdir()
    (work / "settings.json").write_text(
        json.dumps({"debug": False, "parallel_workers": 0, "host": "127.0.0.1", "http_port": port,
                    "grpc_port": free_port(), "metrics_port": free_port()})
    )  # fmt: skip
    (work / "model-settings.json").write_text(json.dumps({"name": "scorer", "implementation": "seldon.Scorer"}))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(work),
        "PYTHONPATH": f"{SOURCE}:{SERVICES}",
        "NUMBA_CACHE_DIR": str(folder / "numba"),  # one for all: the first peer compiles
        "EVERSHELF_REGISTRY": str(made.folder / "registry"),
        "PORT": str(port),
        **peer.environment,
        **changed,
    }
    command = [part.format(bin=python.parent, port=port) for part in peer.command]
    pids: list[int] = []
    try:
        with process(command, environment, port, ready=peer.ready, folder=work) as pid:
            pids = descendants(pid)
            yield port, pids
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def question(made: World, rival: Served, user: int) -> bytes:
    """The same question in the form that each wants."""
    history = history_of(user, made.items, HISTORY)
    asked: dict[str, Any] = {"history": history, "k": ASKED_K}
    more = ()
    if rival.path == RANK_PATH:
        told = [{"item_id": each, "event_type": "view_item", "age_s": 60} for each in history]
        asked = {"queries": [{"history": told, "k": ASKED_K, "exclude": []}]}
        more = () if rival.name == WITH_EVIDENCE else ("X-Evidence: none",)
    elif rival.tensors:
        told = {"name": "history", "shape": [len(history)], "datatype": "BYTES", "data": history}
        asked = {"inputs": [told, {"name": "k", "shape": [1], "datatype": "INT32", "data": [ASKED_K]}]}
    return post(rival.path, made.key, json.dumps(asked).encode(), *more)


async def list_of(made: World, rival: Served) -> list[str]:
    """What somebody is recommended."""
    bodies: list[bytes] = []
    await closed_loop(
        rival.port,
        lambda _: question(made, rival, 1),
        connections=1,
        seconds=0.0,
        judged=lambda body: bodies.append(body) or "answered",
    )
    if not bodies:
        raise SystemExit(f"{rival.name} does not answer 200")
    if rival.path == RANK_PATH:
        return [each["item_id"] for each in json.loads(bodies[0])["rankings"][0]["items"]]
    return re.findall(r"item-\d{7}", bodies[0].decode())


async def one_round(made: World, rival: Served, concurrency: int, seconds: float) -> dict[str, float]:
    """CPU of all processes per request, rate and times."""
    asked = [question(made, rival, user) for user in range(USERS)]
    before_s = sum(map(cpu_s, rival.pids))
    load = await closed_loop(
        rival.port,
        lambda turn: asked[turn % USERS],
        connections=concurrency,
        seconds=seconds,
        judged=lambda _: "answered",
    )
    if set(load.by) != {"answered"}:
        raise SystemExit(f"{rival.name}: {dict(load.by)}")
    return {
        "cpu_us": (sum(map(cpu_s, rival.pids)) - before_s) / load.requests * 1e6,
        "per_s": load.requests / load.elapsed_s,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        "processes": len(rival.pids),
    }


def decide(told: Told, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """How much more the peers cost, and how much less they carry."""
    for peer in PEERS:
        row = rows.get(peer.name)
        if row is None or peer.ratio_min is None:
            continue
        ratio_min, ours = peer.ratio_min, rows[OURS]
        cost = lambda own, other: other["cpu_us"] / own["cpu_us"]  # noqa: E731 - of one target
        rate = lambda own, other: own["per_s"] / other["per_s"]  # noqa: E731
        told.judge(f"CPU a request of {peer.name} over ours", ratio_min, "x", cost, ours, row, at_least=True)
        told.judge(f"requests/s of ours over {peer.name}", ratio_min, "x", rate, ours, row, at_least=True)
    for name in (PLAIN, PAIR):
        if name in rows:
            told.notes.append(f"CPU a request of {name} over ours: {rows[name]['cpu_us'] / rows[OURS]['cpu_us']:.1f}")


if __name__ == "__main__":
    main()
