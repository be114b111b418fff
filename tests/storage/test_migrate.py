"""Migrations lead from nothing to the schema this code expects, and running them twice changes nothing."""

import asyncio
from importlib.resources import files

from evershelf.storage.migrate import current_version, expected_version, migrate
from evershelf.storage.migrations.script import head_version
from evershelf.storage.placements import list_placements
from evershelf.storage.postgres import Pool


def all_versions() -> tuple[str, ...]:
    """The numbers of the migration files, in order."""
    folder = files("evershelf.storage") / "migrations"
    return tuple(sorted(each.name.partition("_")[0] for each in folder.iterdir() if each.name.endswith(".sql")))


async def test_an_empty_database_is_brought_to_the_expected_version(empty_database_url):
    # Promise: migrate() leads an empty database to expected_version() and says what it did.
    assert await current_version(empty_database_url) is None
    report = await migrate(empty_database_url)
    assert (report.before, report.after, report.applied) == (None, expected_version(), all_versions())
    assert await current_version(empty_database_url) == expected_version()


async def test_migrating_twice_applies_nothing(database_url):
    # Promise: migrating is idempotent.
    report = await migrate(database_url)
    assert (report.before, report.applied) == (expected_version(), ())


async def test_two_migrators_take_turns(empty_database_url):
    # Promise: of two at once, one does the work and the other finds it done.
    reports = await asyncio.gather(migrate(empty_database_url), migrate(empty_database_url))
    assert sorted(report.applied for report in reports) == [(), all_versions()]


async def test_default_placements_are_there(pool: Pool):
    # Promise: every installation starts with the default placements.
    assert {placement.name for placement in await list_placements(pool)} >= {"home", "item-page", "cart", "popular"}


def test_alembic_and_the_sql_files_agree_on_the_newest_version():
    # Promise: expected_version() needs no Alembic, and still means the same.
    assert head_version() == expected_version()
