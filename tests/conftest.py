"""Fixtures that several rooms share: a real PostgreSQL with a fresh database a test, and the data sets."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from evershelf.storage.embedded import EmbeddedPostgres
from evershelf.storage.migrate import migrate
from evershelf.storage.postgres import Pool, open_pool

TEMPLATE = "evershelf_template"
# Tests have nothing to lose in a power cut. The suite of another test process has a server of its own.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}


@pytest.fixture
def open_tmp_path() -> Iterator[Path]:
    """An empty folder that an unprivileged account can reach (pytest's own tmp_path is closed to it)."""
    folder = Path(tempfile.mkdtemp(prefix="evershelf-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server a test process, with a migrated template database."""
    folder = Path(tempfile.mkdtemp(prefix="evershelf-test-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres.start(folder / "postgres", settings=QUICK)
    try:
        server.wait_ready()
        asyncio.run(_make_template(server.url))
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
async def empty_database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a fresh database without any schema."""
    async for url in _fresh_database(postgres.url, "template0"):
        yield url


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a fresh, migrated database."""
    async for url in _fresh_database(postgres.url, TEMPLATE):
        yield url


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a fresh, migrated database."""
    pool = await open_pool(database_url)
    yield pool
    pool.terminate()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository; the test is skipped where there is none."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no data sets at {folder}")
    return folder


async def _fresh_database(server_url: str, template: str) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    # FILE_COPY of a small template is several times quicker than WAL_LOG where nothing is synced.
    await _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    yield _with_database(server_url, name)
    await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _make_template(server_url: str) -> None:
    await _execute(server_url, f"CREATE DATABASE {TEMPLATE}")
    await migrate(_with_database(server_url, TEMPLATE))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _with_database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"
