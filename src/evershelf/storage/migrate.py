"""Brings a database to the schema that this code expects, under time limits and one migrator at a time."""

from dataclasses import dataclass

from alembic.util import CommandError

from evershelf.contracts.placements import DEFAULT_PLACEMENTS
from evershelf.storage.errors import StorageUnsuitable
from evershelf.storage.migrations.script import write_script
from evershelf.storage.postgres import Connection, connect, translated
from evershelf.storage.queries import sql
from evershelf.storage.schema import current_version, expected_version, read_version

__all__ = ["MigrationReport", "current_version", "expected_version", "migrate"]

# How long to wait for another migrator, then for a lock on a table in use, and how long one statement may take.
TURN_TIMEOUT_MS = 60_000
LOCK_TIMEOUT_MS = 5_000
STATEMENT_TIMEOUT_MS = 300_000


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """The version before and after (None: empty database), and what was applied, oldest first."""

    before: str | None
    after: str
    applied: tuple[str, ...]


async def migrate(url: str) -> MigrationReport:
    """Applies what is missing, all or nothing, and the default placements where they are missing.

    Raises StorageUnavailable (no connection, or a lock that did not come: try again) or StorageUnsuitable (the
    database is newer than this code, or not ours).
    """
    connection = await connect(url, command_timeout_s=None)
    try:
        with translated():
            async with connection.transaction():
                return await _migrate(connection)
    finally:
        await connection.close()


async def _migrate(connection: Connection) -> MigrationReport:
    await connection.execute(sql("schema.limit_transaction"), str(TURN_TIMEOUT_MS), str(TURN_TIMEOUT_MS))
    await connection.execute(sql("schema.take_turn"))
    await connection.execute(sql("schema.limit_transaction"), str(LOCK_TIMEOUT_MS), str(STATEMENT_TIMEOUT_MS))
    before = await read_version(connection)
    try:
        script = write_script(before)
    except CommandError as error:
        raise StorageUnsuitable(
            f"the database has schema version {before!r}, which this Evershelf does not know (it knows up to "
            f"{expected_version()}): use a newer Evershelf"
        ) from error
    if script.versions:
        await connection.execute(script.text)
    for placement in DEFAULT_PLACEMENTS:
        await connection.execute(sql("placements.put_default"), placement.name, placement.model_dump(mode="json"))
    return MigrationReport(before, expected_version(), script.versions)
