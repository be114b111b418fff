"""The link never makes the gateway wait for PostgreSQL, notices its loss, and comes back by itself."""

import asyncio
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from evershelf.contracts.catalog import Item
from evershelf.contracts.health import DependencyState
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.telemetry import Telemetry
from evershelf.storage.catalog import list_items, upsert_items

WAIT_S = 20.0


class Proxy:
    """A TCP relay to PostgreSQL that can be frozen (accepts, passes nothing on) or cut."""

    def __init__(self, url: str):
        self._target = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = self._target.geturl().replace(f":{self._target.port}/", f":{port}/")
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()
        self._passing.set()
        await asyncio.sleep(0.05)

    def freeze(self):
        self._passing.clear()

    def thaw(self):
        self._passing.set()

    def cut(self):
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _relay(self, reader, writer):
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
            self._writers |= {writer, inner_writer}
            await asyncio.gather(self._pump(reader, inner_writer), self._pump(inner_reader, writer))

    async def _pump(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def linked(url: str | None, tmp_path, *, timeout_ms: int = 500):
    settings = GatewaySettings(key_secret="5a" * 32, gateway_data_dir=tmp_path, gateway_database_timeout_ms=timeout_ms)
    link = DatabaseLink(SecretStr(url) if url is not None else None, settings, Telemetry())
    try:
        yield link
    finally:
        await link.close()


async def becomes(link: DatabaseLink, state: DependencyState) -> None:
    async with asyncio.timeout(WAIT_S):
        while link.state is not state:  # noqa: ASYNC110 - the state is all that the link shows
            await asyncio.sleep(0.01)


@pytest.fixture
async def proxy(database_url):
    async with Proxy(database_url) as proxy:
        yield proxy


async def test_it_connects_in_the_background(database_url, tmp_path):
    # Promise: `start` returns at once, and `wait_connected` as soon as there is a pool that works.
    async with linked(database_url, tmp_path, timeout_ms=5_000) as link:
        await link.start()
        assert (link.pool, link.state) == (None, DependencyState.UNKNOWN)
        await asyncio.wait_for(link.wait_connected(), WAIT_S)
        assert await list_items(link.pool) == []


@pytest.mark.parametrize("url", [None, "", "postgresql://x@127.0.0.1:1/none", "not a url"])
async def test_without_postgresql_it_starts_and_says_so(url, tmp_path):
    # Promise: whatever is wrong with the address, the gateway starts and the state is down.
    async with linked(url, tmp_path) as link:
        await link.start()
        await becomes(link, DependencyState.DOWN)
        assert link.pool is None


async def test_a_database_without_schema_is_down_and_says_what_to_do(empty_database_url, tmp_path):
    # Promise: an empty database is not used, and `detail` names the verb that mends it.
    async with linked(empty_database_url, tmp_path, timeout_ms=5_000) as link:
        await link.start()
        await becomes(link, DependencyState.DOWN)
        assert "evershelf migrate" in link.detail


@pytest.mark.parametrize("fault", ["freeze", "cut"])
async def test_a_loss_is_noticed_and_healed(proxy, tmp_path, fault):
    # Promise: frozen or cut off, the pool goes away and no query hangs; when it is back, so is the pool.
    async with linked(proxy.url, tmp_path) as link:
        await link.start()
        await becomes(link, DependencyState.UP)
        proxy.freeze()
        if fault == "cut":
            proxy.cut()
        await becomes(link, DependencyState.DOWN)
        assert link.pool is None
        proxy.thaw()
        await becomes(link, DependencyState.UP)
        assert await list_items(link.pool) == []


async def test_a_busy_pool_is_no_loss(database_url, tmp_path):
    # Promise: with every connection in use the link stays up, because it probes over one of its own.
    async with linked(database_url, tmp_path, timeout_ms=5_000) as link:
        await link.start()
        await becomes(link, DependencyState.UP)
        held = [await link.pool.acquire() for _ in range(link.pool.get_max_size())]
        await asyncio.sleep(1.5)  # more than one probe
        assert link.state is DependencyState.UP
        for connection in held:
            await link.pool.release(connection)


async def test_a_notification_arrives(database_url, tmp_path):
    # Promise: a change of the catalog is told at once, without a poll.
    told = asyncio.Event()
    async with linked(database_url, tmp_path, timeout_ms=5_000) as link:
        link.listen("evershelf_items", told.set)
        await link.start()
        await becomes(link, DependencyState.UP)
        await upsert_items(link.pool, [Item(item_id="mug")])
        await asyncio.wait_for(told.wait(), WAIT_S)
