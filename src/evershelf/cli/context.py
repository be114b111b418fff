"""What most verbs need: the installation they act on, its database and its registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evershelf.supervision.installation import Installation, InstallationError, default_data_dir

if TYPE_CHECKING:
    from evershelf.registry.store import Registry
    from evershelf.supervision.settings import InstallationSettings


def installation(data_dir: Path | None) -> Installation:
    """The installation at `data_dir`, else at the setting `data_dir`, else at the default place."""
    return Installation((data_dir or settings().data_dir or default_data_dir()).resolve())


def settings() -> "InstallationSettings":
    """The settings of installations; imported late, so that `evershelf --help` does not wait for pydantic."""
    from evershelf.supervision.settings import InstallationSettings

    return InstallationSettings()


def registry(data_dir: Path | None) -> "Registry":
    """The registry at the setting `registry`, else in the folder of the installation. Raises MissingExtraError."""
    from evershelf.supervision.registry import open_own_registry

    return open_own_registry(installation(data_dir))


def publishing_registry(data_dir: Path | None) -> "Registry":
    """The same, for verbs that publish: an installation's own registry has its signing key before its first version.

    Raises MissingExtraError, InstallationError.
    """
    from evershelf.supervision.registry import is_own, registry_settings

    home = installation(data_dir)
    if is_own(home, registry_settings(home).registry):
        home.prepare()
    return registry(data_dir)


def operator() -> str:
    """Who acts, for histories and the audit log."""
    import getpass
    import os

    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # an account without a name, as in a container
        return f"cli:{os.getuid()}"


def reachable_database(data_dir: Path | None) -> str | None:
    """The URL of a database that is configured or runs; none is started for this."""
    configured = settings().database_url
    if configured is not None:
        return configured.get_secret_value()
    home = installation(data_dir)
    return home.secret("database_url") if home.is_running() else None


@contextmanager
def open_database(data_dir: Path | None) -> Iterator[str]:
    """Yield the URL of a PostgreSQL that runs while the block does; it is not migrated here.

    The setting `database_url`, else the server of the running installation, else the embedded server, started for
    the time of the block. Raises InstallationError (or the embedded server's own error) if there is none to be had.
    """
    configured = settings().database_url
    if configured is not None:
        yield configured.get_secret_value()
        return
    home = installation(data_dir)
    if home.is_running():
        yield _url_of_running(home)
        return
    home.prepare()
    with _embedded(home) as url:
        yield url


def _url_of_running(home: Installation) -> str:
    url = home.secret("database_url")
    if url is None:
        raise InstallationError(f"the installation in {home.data_dir} is still starting: try again in a moment")
    return url


@contextmanager
def _embedded(home: Installation) -> Iterator[str]:
    from evershelf.storage import embedded

    with embedded.run(home.postgres_dir) as url:
        yield url
