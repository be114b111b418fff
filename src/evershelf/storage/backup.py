"""All of an installation's tables into files and back: one consistent view out, one transaction in.

COPY and not pg_dump: it needs no program of the server's version, and a backup of an older schema fits a newer one,
for migrations only ever add (docs/guides/upgrade.md). asyncpg writes to and reads from whatever has `write` and `read`.
"""

import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO, cast

from evershelf.contracts.erasures import Erasure
from evershelf.storage.erasures import Reapplied, reapply
from evershelf.storage.errors import StorageRefused, StorageUnsuitable
from evershelf.storage.postgres import Connection, affected, connect, translated
from evershelf.storage.queries import sql
from evershelf.storage.schema import PARTITIONED, expected_version, read_version

# In the order in which they come back: what others lean on first.
TABLES = (
    "erasure_salt", "erasures", "placements", "api_keys", "items", "users", "events", "event_counters",
    "dead_letter_events", "decisions", "audit_log", "retention",
)  # fmt: skip
STATEMENT_TIMEOUT_MS = 6 * 3_600_000
COMPRESSION = 1  # the text of COPY shrinks to a fifth at once; more costs more time than it saves

OnTable = Callable[[str, int], None]


class NotEmptyError(Exception):
    """The database holds an installation already."""


@dataclass(frozen=True, slots=True)
class DumpedTable:
    """What was written of one table: `months` are the first days of its partitions."""

    columns: tuple[str, ...]
    rows: int
    months: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Dump:
    """The tables by name, and the schema that they are of."""

    schema_version: str
    tables: Mapping[str, DumpedTable]


def dump_path(folder: Path, table: str) -> Path:
    """Where a table lies."""
    return folder / f"{table}.copy.gz"


async def dump(url: str, folder: Path, on_table: OnTable) -> Dump:
    """Writes every table into `folder`, all as they were at one moment; nobody has to stop for it.

    Raises StorageUnavailable, and StorageUnsuitable for a database of another schema: migrate it first.
    """
    connection = await connect(url, command_timeout_s=None)
    try:
        with translated():
            async with connection.transaction():
                await connection.execute(sql("backup.begin"))
                await connection.execute(sql("backup.limit_statements"), str(STATEMENT_TIMEOUT_MS))
                version = await read_version(connection)
                if version != expected_version():
                    raise StorageUnsuitable(
                        f"the schema is {version}, not {expected_version()}: run `evershelf migrate`"
                    )
                tables = {}
                for table in TABLES:
                    tables[table] = await _write(connection, folder, table)
                    on_table(table, tables[table].rows)
                return Dump(version, tables)
    finally:
        await connection.close()


async def _write(connection: Connection, folder: Path, table: str) -> DumpedTable:
    columns = tuple(row["column_name"] for row in await connection.fetch(sql("backup.columns"), table))
    # Names of tables and columns come from this module and from PostgreSQL's catalog, not from outside.
    query = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - see above
    with gzip.open(dump_path(folder, table), "wb", compresslevel=COMPRESSION) as file:
        status = await connection.copy_from_query(query, output=cast("BinaryIO", file))
    months = await connection.fetch(sql("backup.months"), table) if table in PARTITIONED else []
    return DumpedTable(columns, affected(status), tuple(row["month"] for row in months))


async def require_room(url: str, schema_version: str, *, overwrite: bool) -> None:
    """Changes nothing; of a database that has no schema yet, only that of the backup counts.

    Raises NotEmptyError unless `overwrite`, StorageUnavailable, and StorageUnsuitable where the backup is of a newer
    schema.
    """
    if schema_version > expected_version():
        raise StorageUnsuitable(
            f"the backup has schema {schema_version}, this Evershelf knows {expected_version()}: use a newer one"
        )
    connection = await connect(url)
    try:
        with translated():
            if await read_version(connection) is not None:
                await _require_empty(connection, overwrite=overwrite)
    finally:
        await connection.close()


async def load(
    url: str, folder: Path, dumped: Dump, *, overwrite: bool, remembered: Sequence[Erasure], on_table: OnTable
) -> Reapplied:
    """Puts the tables back, all or nothing, and without whom the database until now, or `remembered`, knows as erased.

    The database has the schema of this code, and the backup none that is newer: see `require_room`. Raises
    NotEmptyError unless `overwrite`, StorageUnavailable, StorageRefused.
    """
    connection = await connect(url, command_timeout_s=None)
    try:
        with translated():
            async with connection.transaction():
                await connection.execute(sql("backup.limit_statements"), str(STATEMENT_TIMEOUT_MS))
                await _require_empty(connection, overwrite=overwrite)
                known = await connection.fetch(sql("backup.known_erasures"))
                await connection.execute(sql("erasures.take_turn"))  # before the tables: as whoever stores events does
                await connection.execute(sql("backup.empty"))
                await connection.execute(sql("backup.quiet_items"))
                for table in TABLES:
                    if table not in dumped.tables:  # the backup is older than the table
                        continue
                    await _fill(connection, folder, table, dumped.tables[table])
                    on_table(table, dumped.tables[table].rows)
                await connection.execute(sql("backup.go_on_counting"))
                await connection.execute(sql("backup.renumber_items"))
                await connection.execute(sql("backup.wake_items"))
                await connection.execute(sql("erasures.tell"))
                salt = await connection.fetchval(sql("erasures.salt"))
                own = [
                    Erasure(sequence=row["sequence"], digest=row["digest"].hex(), erased_at=row["erased_at"])
                    for row in known
                    if row["salt"] == salt
                ]
                return await reapply(connection, (*own, *remembered))
    finally:
        await connection.close()


async def _require_empty(connection: Connection, *, overwrite: bool) -> None:
    if not overwrite and await connection.fetchval(sql("backup.holds_data")):
        raise NotEmptyError("the database holds an installation: add --overwrite to replace all of it")


async def _fill(connection: Connection, folder: Path, table: str, dumped: DumpedTable) -> None:
    if dumped.months:
        await connection.execute(sql("backup.ensure_months"), table, list(dumped.months))
    with gzip.open(dump_path(folder, table), "rb") as file:
        status = await connection.copy_to_table(table, source=cast("BinaryIO", file), columns=list(dumped.columns))
    if affected(status) != dumped.rows:
        raise StorageRefused(f"{table}: {affected(status)} rows came back of {dumped.rows}")
