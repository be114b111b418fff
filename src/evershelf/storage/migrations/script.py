"""Lets Alembic write the SQL script that leads from one version to the newest."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError


@dataclass(frozen=True, slots=True)
class Script:
    """SQL without transaction statements, and the versions it applies, oldest first."""

    text: str
    versions: tuple[str, ...]


def head_version() -> str | None:
    """The newest version as Alembic sees it."""
    return _directory().get_current_head()


def write_script(before: str | None) -> Script:
    """The script from `before` (None: an empty database) to the newest version.

    Alembic decides what is to be done; it holds no connection (its offline mode), so that the only database driver
    is ours. Raises alembic.util.CommandError for a version that it does not know.
    """
    directory, output = _directory(), StringIO()
    try:
        revisions = [r.revision for r in directory.iterate_revisions("head", before or "base")]
    except RevisionError as error:
        raise CommandError(str(error)) from error
    context = EnvironmentContext(
        Config(),
        directory,
        fn=lambda _rev, _context: directory._upgrade_revs("head", before or "base"),  # noqa: SLF001 - what alembic's own upgrade command does
        as_sql=True,
        starting_rev=before,
        destination_rev="head",
    )
    with context:
        context.configure(dialect_name="postgresql", output_buffer=output, transactional_ddl=False)
        context.run_migrations()
    return Script(output.getvalue(), tuple(reversed(revisions)))


def _directory() -> ScriptDirectory:
    here = Path(__file__).parent
    return ScriptDirectory(str(here), version_locations=[str(here / "versions")])
