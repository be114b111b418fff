"""What an upgrade would do to a database, told before it is done."""

import re
from dataclasses import dataclass
from importlib.resources import files

from alembic.util import CommandError

from evershelf.storage.errors import StorageUnsuitable
from evershelf.storage.migrations.script import write_script
from evershelf.storage.schema import current_version, expected_version

# What is known to add. Everything else could be what older code, which still runs while the schema is already new,
# stumbles over; a new column that must be filled, too.
_ADDS = re.compile(
    r"create (?:table|index|sequence|view|(?:or replace )?function) .*|insert into .*|comment on .*|grant .*"
    r"|alter table (?:if exists |only )*\S+ (?:add column (?!.*not null).*|add column .* default\b.*)",
    re.IGNORECASE,
)
# Comments, texts, and bodies of functions: what these do, they do when they are called.
_ASIDE = re.compile(r"--[^\n]*|\$\$.*?\$\$|'(?:[^']|'')*'", re.DOTALL)
_IN_PARENTHESES = re.compile(r"\([^()]*\)")


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
        PlannedMigration(version, names[version], now is None or only_adds(_text(names[version])))
        for version in versions
    )


def migration_files() -> dict[str, str]:
    """The SQL file of each version."""
    folder = files("evershelf.storage") / "migrations"
    return {file.name.partition("_")[0]: file.name for file in folder.iterdir() if file.name.endswith(".sql")}


def only_adds(text: str) -> bool:
    """Whether every statement of the SQL is known to take nothing away that older code may use: an expanding step."""
    bare = _ASIDE.sub("", text)
    while bare != (bare := _IN_PARENTHESES.sub("", bare)):
        pass
    statements = (" ".join(statement.split()) for statement in bare.split(";"))
    return all(_ADDS.fullmatch(part) for statement in statements if statement for part in _parts(statement))


def _parts(statement: str) -> list[str]:
    """Each clause of an ALTER TABLE as a statement of its own."""
    first, *others = re.split(r" ?, ?", statement)
    table = re.match(r"alter table (?:if exists |only )*\S+ ", first, re.IGNORECASE)
    return [first, *(f"{table[0]}{other}" for other in others)] if table else [statement]


def _text(name: str) -> str:
    return (files("evershelf.storage") / "migrations" / name).read_text(encoding="utf-8")
