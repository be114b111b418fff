"""A whole gateway of a small shop: real PostgreSQL, snapshot, registry, keys and HTTP server, in the test's loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx2
import uvicorn

from evershelf.contracts.catalog import Item
from evershelf.contracts.events import Event
from evershelf.contracts.keys import Scope
from evershelf.contracts.recommendations import Recommendation
from evershelf.gateway.app import create_app
from evershelf.gateway.outside import Outside
from evershelf.gateway.parts import Parts
from evershelf.gateway.server import server_config
from evershelf.gateway.settings import GatewaySettings
from evershelf.registry.store import DirectoryRegistry
from evershelf.storage.catalog import upsert_items
from evershelf.storage.events import store_events
from evershelf.storage.keys import create_key, mint_key, revoke_key
from evershelf.storage.postgres import Pool, open_pool
from evershelf.training.snapshot import refresh

SECRET = "5a" * 32
TEMPLATE = "evershelf_template"  # made by the fixture `postgres`
CATEGORIES = ("home/mugs", "home/lamps", "garden/pots", "garden/tools", "books/crime", "books/verse")
ITEMS_A_CATEGORY = 6
SHELF_SIZE = len(CATEGORIES) * ITEMS_A_CATEGORY
PATIENCE_S = 20.0
CALM_MS = 20.0


@dataclass(frozen=True)
class World:
    """One running gateway: its address, what it was made of, and a key for each scope (and `none`, `revoked`)."""

    settings: GatewaySettings
    parts: Parts
    pool: Pool
    keys: dict[str, str]
    client: httpx2.AsyncClient
    port: int

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}"}

    async def ask(self, **wanted: object) -> Recommendation:
        """POST /v1/recommendations, checked."""
        await self.calm()
        return valid(await self.client.post("/v1/recommendations", json=wanted))

    async def calm(self) -> None:
        """Returns once the loop has caught up: pytest stops it between fixture and test, and the gateway notices."""

        async def caught_up() -> bool:
            return self.parts.loop_lag.lag_ms < CALM_MS

        await eventually(caught_up)

    async def see(self, user_id: str, item_id: str, event_type: str = "view_item") -> None:
        """Reports one event, which must be accepted."""
        event = raw_event(user_id=user_id, item_id=item_id, event_type=event_type)
        answer = await self.client.post("/v1/events", json={"events": [event]})
        assert answer.json()["results"][0]["status"] == "accepted", answer.text


@asynccontextmanager
async def database(server_url: str) -> AsyncIterator[str]:
    """The URL of a fresh, migrated database."""
    name = f"test_{uuid4().hex}"
    await _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    yield f"{server_url.rpartition('/')[0]}/{name}"
    await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def shop(server_url: str, folder: Path, **given: object) -> AsyncIterator[tuple[GatewaySettings, Pool]]:
    """A database with items and events, a registry with their snapshot, and settings that point there."""
    async with database(server_url) as url:
        pool = await open_pool(url)
        try:
            await upsert_items(pool, items())
            await store_events(pool, past_events())
            await asyncio.to_thread(refresh, url, DirectoryRegistry(folder / "registry"))
            settings = {
                "key_secret": SECRET,
                "gateway_data_dir": folder / "gateway",
                "registry": folder / "registry",
                "database_url": url,
                "gateway_mirror_poll_s": 0.1,
                "gateway_grace_s": 5,
                "gateway_loop_lag_ms_max": 60_000.0,  # this machine may be busy with other tests
                "gateway_snapshot_poll_s": 0.1,
                "gateway_holdout_share": 0.0,
                "inference_url": f"http://127.0.0.1:{unused_port()}",
            }
            yield GatewaySettings(**(settings | given)), pool
        finally:
            pool.terminate()


@asynccontextmanager
async def open_world(server_url: str, folder: Path, **given: object) -> AsyncIterator[World]:
    """The shop with a gateway that serves it over real HTTP, without inference unless `given` names one."""
    async with shop(server_url, folder, **given) as (settings, pool):
        keys = await make_keys(pool)
        async with serving(settings) as (parts, port):
            address = f"http://127.0.0.1:{port}"
            async with httpx2.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
                client.headers["Authorization"] = f"Bearer {keys['admin']}"
                yield World(settings, parts, pool, keys, client, port)


@asynccontextmanager
async def serving(settings: GatewaySettings, outside: Outside | None = None) -> AsyncIterator[tuple[Parts, int]]:
    """The gateway's process in miniature: the same server, HTTP parser and lifespan on a free port."""
    app = create_app(settings, outside)
    server = uvicorn.Server(server_config(app, settings))
    # Named as TCP, so that asyncio switches off Nagle's algorithm as it does for addresses.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        task = asyncio.create_task(server._serve([listening]))  # without its signal handlers
        while not server.started:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        try:
            yield app.state.parts, listening.getsockname()[1]
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the gateway, for as long as a test is patient."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield reader, writer
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def make_keys(pool: Pool) -> dict[str, str]:
    """A plain key for each scope by its name, one with no scope at all, and a revoked one."""
    scopes = {scope.value: [scope] for scope in Scope} | {"none": [], "revoked": list(Scope)}
    keys = {}
    for name, allowed in scopes.items():
        keys[name], stored = mint_key(bytes.fromhex(SECRET), name, allowed)
        await create_key(pool, stored, actor="test")
        if name == "revoked":
            await revoke_key(pool, stored.key_id, actor="test")
    return keys


def items() -> list[Item]:
    """`mugs-0` .. `verse-5`: six items in each of six categories."""
    return [
        Item(item_id=f"{path.split('/')[1]}-{number}", title=f"{path} {number}", categories=(path,))
        for path in CATEGORIES
        for number in range(ITEMS_A_CATEGORY)
    ]


def past_events() -> list[Event]:
    """Twelve users, each at home in one category; lower numbers are more popular, and so are earlier categories."""
    now = datetime.now(UTC)
    return [
        Event(
            event_id=UUID(int=buyer * 100 + number),
            user_id=f"buyer-{buyer}",
            item_id=f"{CATEGORIES[buyer % len(CATEGORIES)].split('/')[1]}-{number}",
            event_type="view_item",
            occurred_at=now - timedelta(hours=1 + buyer, minutes=number),
        )
        for buyer in range(12)
        for number in range(ITEMS_A_CATEGORY - buyer // 2 % 3)
    ]


def raw_event(**changed: object) -> dict[str, object]:
    """An event as a caller sends it."""
    event = {
        "event_id": str(uuid4()),
        "user_id": "ann",
        "item_id": "mugs-0",
        "event_type": "view_item",
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    return event | changed


def valid(response: httpx2.Response) -> Recommendation:
    """The answer, after checking what holds for every answer whatever it was made from."""
    assert response.status_code == 200, response.text
    answer = Recommendation.model_validate_json(response.content)
    assert [place.rank for place in answer.items] == list(range(1, len(answer.items) + 1))
    assert len({place.item_id for place in answer.items}) == len(answer.items)
    assert all(place.item.item_id == place.item_id for place in answer.items)
    scores = [place.score for place in answer.items]
    assert scores == sorted(scores, reverse=True)
    assert answer.items == [] or answer.source is answer.items[0].source
    return answer


def ids(answer: Recommendation) -> list[str]:
    """The item ids in their order."""
    return [place.item_id for place in answer.items]


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Returns once `holds` says so; fails when it has not within PATIENCE_S."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)


def unused_port() -> int:
    """A port on which, a moment ago, nobody listened."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
