"""What an answer costs the gateway: behind FastAPI, by ASGI, by the quick lane, and shed; CPU per request, interleaved.

Usage: python benchmarks/front.py [--form smoke|short|long] [--rounds 8] [--connections 16] [--items 10000] [--json]
Real gateways on an embedded PostgreSQL; inference is a stub in this process that always answers alike, so that only the
gateway's own price is told. CPU is that of the whole process, as the operating system accounts it.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import uvicorn
from accounting import cpu_s, descendants
from fastapi import FastAPI
from told import Told, parser
from world import await_ready

from evershelf.contracts.catalog import Item
from evershelf.contracts.events import Event
from evershelf.contracts.inference import RankedItem, Ranking, RankReply
from evershelf.contracts.keys import Scope
from evershelf.gateway import app as app_module
from evershelf.gateway.outside import give_short_turns
from evershelf.gateway.server import server_config
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.logs.configuration import configure_logging
from evershelf.registry.store import DirectoryRegistry
from evershelf.storage.catalog import upsert_items
from evershelf.storage.embedded import EmbeddedPostgres
from evershelf.storage.events import store_events
from evershelf.storage.keys import create_key, mint_key
from evershelf.storage.migrate import migrate
from evershelf.storage.postgres import open_pool
from evershelf.supervision.installation import free_port
from evershelf.training.snapshot import refresh

SECRET = "5b" * 32
USERS, EVENTS_A_USER, CATEGORIES, ROWS_A_CALL = 200, 10, 40, 1_000
K = 20
SIZES = {"smoke": (64, 500), "short": (1_000, 10_000), "long": (2_000, 10_000)}
# Any lag at all is more than this: such a gateway sheds everything.
ALWAYS_SHED = {"EVERSHELF_GATEWAY_LOOP_LAG_MS_MAX": "0.000001"}
NEVER_SHED = {"EVERSHELF_GATEWAY_LOOP_LAG_MS_MAX": "1000000"}
# Nobody takes the spans: the dearest case, for they are sent again and again.
TRACED = {"EVERSHELF_OTLP_URL": "http://127.0.0.1:9", "EVERSHELF_TRACES_PER_S_MAX": "1000000"}


@dataclass(frozen=True)
class Variant:
    """One way to serve, and what is asked of it."""

    name: str
    # `quick`: as shipped; `asgi`: without the quick lane; `fastapi`: without the front, too; `uncounted`: no metrics
    way: str
    placement: str
    reason: str
    environment: dict[str, str]


VARIANTS = (
    Variant("full, FastAPI", "fastapi", "home", "personalized", NEVER_SHED),
    Variant("full, front", "asgi", "home", "personalized", NEVER_SHED),
    Variant("full, quick lane", "quick", "home", "personalized", NEVER_SHED),
    Variant("traced 1 %", "quick", "home", "personalized", NEVER_SHED | TRACED | {"EVERSHELF_TRACE_SHARE": "0.01"}),
    Variant("traced all", "quick", "home", "personalized", NEVER_SHED | TRACED | {"EVERSHELF_TRACE_SHARE": "1"}),
    Variant("baseline, FastAPI", "fastapi", "popular", "not_in_ladder", NEVER_SHED),
    Variant("baseline, quick lane", "quick", "popular", "not_in_ladder", NEVER_SHED),
    Variant("shed, front", "asgi", "home", "overloaded", ALWAYS_SHED),
    Variant("shed, quick lane", "quick", "home", "overloaded", ALWAYS_SHED),
)


def main() -> None:
    """Serves one way in a child process, or measures all variants."""
    options = parser(__doc__, rounds=8)
    options.add_argument("--requests", type=int)
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--items", type=int)
    options.add_argument("--serve", choices=("quick", "asgi", "fastapi", "uncounted", "granian"))
    arguments = options.parse_args()
    requests, items = SIZES[arguments.form]
    arguments.requests, arguments.items = arguments.requests or requests, arguments.items or items
    if arguments.serve:
        serve(arguments.serve)
        return
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as name:
        Path(name).chmod(0o755)  # PostgreSQL runs as another account
        report(asyncio.run(measure(Path(name), arguments)), as_json=arguments.json)


def serve(way: str) -> None:
    """One gateway with the settings of the environment, logging as the shipped one does."""
    give_short_turns()
    configure_logging()
    settings = GatewaySettings()
    if way == "granian":
        serve_by_granian(settings)
        return
    if way == "uncounted":
        app_module.Telemetry = Uncounted  # type: ignore[misc] - what counting costs is the question
    app = app_module.create_app(settings)
    config = server_config(app, settings)
    if way != "quick":
        config.http = "httptools"
    if way == "fastapi":
        app.middleware_stack = app.middleware_stack._behind  # noqa: SLF001 - what the front saves is the question
    uvicorn.Server(config).run()


def serve_by_granian(settings: GatewaySettings) -> None:
    """The same application on a server that is not among our dependencies."""
    from granian import Granian
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels

    Granian(
        "front:made",
        address="127.0.0.1",
        port=settings.gateway_port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        websockets=False,
        factory=True,
        log_level=LogLevels.error,
        working_dir=Path(__file__).parent,
    ).serve()


def made() -> FastAPI:
    """The gateway, for a server that makes it in a process of its own."""
    configure_logging()
    return app_module.create_app(GatewaySettings())


class Uncounted(Telemetry):
    """Counts nothing of a request."""

    def answer_counter(self, *_: object, **__: object) -> Callable[[float, float], None]:
        """See Telemetry."""
        return lambda _elapsed_s, _deadline_s: None

    def admitted(self, *_: object) -> None:
        """See Telemetry."""

    def inference_called(self, *_: object) -> None:
        """See Telemetry."""


async def measure(
    folder: Path, arguments: argparse.Namespace, variants: Sequence[Variant] = VARIANTS
) -> dict[str, list[float]]:
    """CPU per request in us of each round, by variant."""
    stub = await asyncio.start_server(answer_alike(arguments.items), "127.0.0.1", 0)
    inference = f"http://127.0.0.1:{stub.sockets[0].getsockname()[1]}"
    with ExitStack() as stack:
        postgres = EmbeddedPostgres.start(folder / "postgres")
        stack.callback(postgres.stop)
        postgres.wait_ready()
        key = await furnish(postgres.url, folder / "registry", arguments.items)
        gateways = []
        for variant in variants:
            environment = {
                **variant.environment,
                "EVERSHELF_GATEWAY_DATA_DIR": str(folder / variant.name),
                "EVERSHELF_REGISTRY": str(folder / "registry"),
                "EVERSHELF_DATABASE_URL": postgres.url,
                "EVERSHELF_INFERENCE_URL": inference,
                "EVERSHELF_KEY_SECRET": SECRET,
            }
            found = await asyncio.to_thread(stack.enter_context, gateway(variant.way, environment))
            gateways.append((variant, *found))
        spent: dict[str, list[float]] = {variant.name: [] for variant in variants}
        for number in range(-1, arguments.rounds):  # the first round warms up
            for variant, port, pids in gateways:
                us = await one_round(variant, port, pids, key, arguments)
                if number >= 0:
                    spent[variant.name].append(us)
    stub.close()
    return spent


async def one_round(variant: Variant, port: int, pids: Sequence[int], key: str, arguments: argparse.Namespace) -> float:
    """CPU per request, in us, of so many requests over so many connections; each answer is checked."""
    share = arguments.requests // arguments.connections
    before_s = sum(map(cpu_s, pids))
    matching = sum(
        await asyncio.gather(*(ask(variant, port, key, start, share) for start in range(arguments.connections)))
    )
    spent_s = sum(map(cpu_s, pids)) - before_s
    if matching < 0.9 * share * arguments.connections:
        raise SystemExit(f"{variant.name}: only {matching} answers had the reason {variant.reason}")
    return spent_s / (share * arguments.connections) * 1e6


async def ask(variant: Variant, port: int, key: str, start: int, requests: int) -> int:
    """How many answers on one connection had the reason that the variant is about."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    matching = 0
    for number in range(requests):
        target = f"/v1/recommendations?user_id=user-{(start * 31 + number) % USERS}&placement={variant.placement}&k={K}"
        head = f"GET {target} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nX-Request-Deadline-Ms: 2000\r\n"
        writer.write(f"{head}Accept: */*\r\nUser-Agent: bench\r\n\r\n".encode())
        head_back = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(head_back.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        matching += f'"reason":"{variant.reason}"'.encode() in body
    writer.close()
    await writer.wait_closed()
    return matching


@contextmanager
def gateway(way: str, environment: dict[str, str]) -> Iterator[tuple[int, list[int]]]:
    """Port and pids of a running gateway."""
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, __file__, "--serve", way],
        env={"PATH": os.environ["PATH"], "EVERSHELF_GATEWAY_PORT": str(port), **environment},
        stdout=subprocess.DEVNULL,
    )
    try:
        await_ready(child, port, "/readyz")
        yield port, descendants(child.pid)
    finally:
        child.terminate()
        child.wait()


async def furnish(url: str, registry: Path, items: int) -> str:
    """A catalog, histories, a snapshot; returns a key."""
    await migrate(url)
    pool = await open_pool(url)
    catalog = [
        Item(item_id=f"item-{n}", title=f"Item {n}", categories=(f"c-{n % CATEGORIES}",), price=n, currency="EUR")
        for n in range(items)
    ]
    for begin in range(0, items, ROWS_A_CALL):
        await upsert_items(pool, catalog[begin : begin + ROWS_A_CALL])
    now = datetime.now(UTC)
    events = [
        Event(
            event_id=uuid4(),
            user_id=f"user-{user}",
            item_id=f"item-{(user * 7 + number) % items}",
            event_type="view_item",
            occurred_at=now - timedelta(hours=number),
        )
        for user in range(USERS)
        for number in range(EVENTS_A_USER)
    ]
    for begin in range(0, len(events), ROWS_A_CALL):
        await store_events(pool, events[begin : begin + ROWS_A_CALL])
    plain, stored = mint_key(bytes.fromhex(SECRET), "bench", [Scope.RECOMMEND])
    await create_key(pool, stored, actor="bench")
    await pool.close()
    await asyncio.to_thread(refresh, url, DirectoryRegistry(registry))
    return plain


def answer_alike(items: int):  # noqa: ANN201 - what start_server takes
    """An inference that ranks the last items of the catalog for everybody."""
    ranked = tuple(RankedItem(item_id=f"item-{items - 1 - n}", score=1 / (n + 1), evidence=()) for n in range(2 * K))
    ranking = Ranking(items=ranked, confidence=1.0, confident=True)
    body = RankReply(model_version="stub", rankings=(ranking,)).model_dump_json().encode()
    sent = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            writer.write(sent)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve_one(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError):
            writer.close()  # cancelled: the measurement is over

    return connected


def report(spent: dict[str, list[float]], *, as_json: bool) -> None:
    """The medians, and what shedding costs."""
    told = Told("front")
    rows = {
        name: told.add_rounds({"variant": name}, [{"cpu_us": value} for value in values], "cpu_us")
        for name, values in spent.items()
    }
    full = rows["full, quick lane"]
    for what, over in {
        "front over FastAPI, full": ("full, front", "full, FastAPI"),
        "quick lane over front, full": ("full, quick lane", "full, front"),
        "quick lane over FastAPI, baseline": ("baseline, quick lane", "baseline, FastAPI"),
        "traced 1 % over untraced": ("traced 1 %", "full, quick lane"),
        "traced all over untraced": ("traced all", "full, quick lane"),
        "shed by ASGI over full": ("shed, front", "full, quick lane"),
    }.items():
        told.notes.append(f"{what}: {rows[over[0]]['cpu_us'] / rows[over[1]]['cpu_us']:.3f}")
    share = lambda shed, full: shed["cpu_us"] / full["cpu_us"]  # noqa: E731
    told.judge("CPU of a shed answer over a full one", 0.08, "x", share, rows["shed, quick lane"], full)
    told.tell(as_json=as_json)


if __name__ == "__main__":
    main()
