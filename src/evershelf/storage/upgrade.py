"""What an upgrade would do to a database, told before it is done."""

import re
from dataclasses import dataclass
from importlib.resources import files

from alembic.util import CommandError

from evershelf.storage.errors import StorageUnsuitable
from evershelf.storage.migrations.script import write_script
from evershelf.storage.schema import current_version, expected_version

# What older code, which still runs while the schema is already new, could stumble over.
_TAKES_AWAY = re.compile(
    r"\b(?:drop\s+(?:table|column|function|index|trigger|sequence)|rename|alter\s+column\s+\w+\s+(?:type|set\s+not\s+null))\b",
    re.IGNORECASE,
)
# Comments, and bodies of functions: what these do, they do when they are called.
_ASIDE = re.compile(r"--[^\n]*|\$\$.*?\$\$", re.DOTALL)
FIRST = "0001"


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """One migration that is not applied yet; one that only adds may go in while older gateways run."""

    version: str
    file: str
    only_adds: bool


async def plan_upgrade(url: str) -> tuple[str | None, tuple[PlannedMigration, ...]]:
    """The schema's version now, and what leads to that of this code. Nothing is changed.

    Raises StorageUnavailable, and StorageUnsuitable where the database is newer than this code.
    """
    now = await current_version(url)
    try:
        versions = write_script(now).versions
    except CommandError as error:
        raise StorageUnsuitable(
            f"the database has schema {now}, newer than this Evershelf ({expected_version()}): use a newer one"
        ) from error
    names = migration_files()
    return now, tuple(
        PlannedMigration(version, names[version], only_adds(_text(names[version]))) for version in versions
    )


def migration_files() -> dict[str, str]:
    """The SQL file of each version."""
    folder = files("evershelf.storage") / "migrations"
    return {file.name.partition("_")[0]: file.name for file in folder.iterdir() if file.name.endswith(".sql")}


def only_adds(text: str) -> bool:
    """Whether the SQL takes nothing away that older code may use: an expanding step."""
    return _TAKES_AWAY.search(_ASIDE.sub("", text)) is None


def _text(name: str) -> str:
    return (files("evershelf.storage") / "migrations" / name).read_text(encoding="utf-8")
