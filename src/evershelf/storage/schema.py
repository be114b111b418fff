"""Which version of the schema a database has, which one this code was written for, and which tables lie in months."""

from functools import cache
from importlib.resources import files

import asyncpg

from evershelf.storage.postgres import Connection, connect
from evershelf.storage.queries import sql

# Tables whose rows lie in partitions of a month each.
PARTITIONED = ("events", "decisions")


async def current_version(url: str) -> str | None:
    """The database's version, or None where it is empty. Raises StorageUnavailable."""
    connection = await connect(url)
    try:
        return await read_version(connection)
    finally:
        await connection.close()


@cache
def expected_version() -> str:
    """The newest version that this code knows: the number of the last migration file."""
    folder = files("evershelf.storage") / "migrations"
    return max(file.name.partition("_")[0] for file in folder.iterdir() if file.name.endswith(".sql"))


async def read_version(connection: Connection) -> str | None:
    """The version, read in a savepoint of its own so that an empty database does not spoil the transaction."""
    try:
        async with connection.transaction():
            version: str | None = await connection.fetchval(sql("schema.current_version"))
    except asyncpg.UndefinedTableError:
        return None
    return version
