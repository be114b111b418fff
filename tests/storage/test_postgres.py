"""Connections keep their limits: a statement, a lock and a dead server all end in time and under our own names."""

import asyncio
import os
import signal
import socket

import pytest

from evershelf.storage.errors import StorageRefused, StorageUnavailable
from evershelf.storage.postgres import Pool, open_pool, reading, transaction
from evershelf.storage.queries import sql


async def test_a_slow_statement_is_ended(database_url):
    # Promise: statement_timeout_ms holds on every connection of the pool.
    pool = await open_pool(database_url, statement_timeout_ms=100)
    with pytest.raises(StorageUnavailable, match="statement timeout"):
        async with reading(pool) as connection:
            await connection.execute("SELECT pg_sleep(60)")
    pool.terminate()


async def test_a_lock_that_does_not_come_is_given_up(database_url):
    # Promise: waiting for a lock ends before the statement's own limit.
    pool = await open_pool(database_url, statement_timeout_ms=400)
    async with transaction(pool) as holder:
        await holder.execute("LOCK TABLE items")
        with pytest.raises(StorageUnavailable, match="lock timeout"):
            async with reading(pool) as connection:
                await connection.fetch("SELECT * FROM items")
    pool.terminate()


async def test_a_frozen_server_does_not_hold_us(unused_tcp_port_of_a_silent_server):
    # Promise: connecting ends after connect_timeout_s, even if the other side accepts and says nothing.
    url = f"postgresql://nobody:x@127.0.0.1:{unused_tcp_port_of_a_silent_server}/none"
    async with asyncio.timeout(20):
        with pytest.raises(StorageUnavailable):
            await open_pool(url, connect_timeout_s=0.2)


@pytest.fixture
def unused_tcp_port_of_a_silent_server():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield silent.getsockname()[1]


async def test_nobody_there_is_unavailable():
    # Promise: a refused connection is StorageUnavailable, not the driver's error.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody:x@127.0.0.1:{probe.getsockname()[1]}/none"
        with pytest.raises(StorageUnavailable):
            await open_pool(url, connect_timeout_s=1)


async def test_a_broken_constraint_is_refused(pool: Pool):
    # Promise: what can never succeed is told apart from what may succeed later.
    with pytest.raises(StorageRefused):
        async with transaction(pool) as connection:
            await connection.execute("INSERT INTO items (item_id) VALUES ('')")


async def test_times_are_utc_and_jsonb_is_python(pool: Pool):
    # Promise: every connection speaks UTC and gives jsonb as values.
    async with reading(pool) as connection:
        assert await connection.fetchval("SHOW timezone") == "UTC"
        assert await connection.fetchval("SELECT $1::jsonb", {"a": [1, "ä", None]}) == {"a": [1, "ä", None]}


def test_an_unknown_query_is_a_key_error():
    # Promise: a misspelt query name fails loudly.
    for name in ("events.nothing", "nothing.store"):
        with pytest.raises(KeyError):
            sql(name)


async def test_a_frozen_backend_does_not_hold_us(database_url):
    # Promise: a database that stops answering in the middle ends as StorageUnavailable, and so do those who queue.
    pool = await open_pool(database_url, size_max=1, statement_timeout_ms=100)
    backend = await pool.fetchval("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):
            results = await asyncio.gather(*(read_one(pool) for _ in range(3)), return_exceptions=True)
    finally:
        os.kill(backend, signal.SIGCONT)
    assert StorageUnavailable in {type(result) for result in results}
    assert {type(result) for result in results} <= {StorageUnavailable, int}
    pool.terminate()


async def read_one(pool: Pool) -> int:
    async with reading(pool) as connection:
        return await connection.fetchval("SELECT 1")
