"""The embedded PostgreSQL as a service of the supervisor."""

from pathlib import Path
from urllib.parse import urlsplit

from evershelf.storage.embedded import EmbeddedPostgres


class PostgresService:
    """The embedded server of one installation; it comes back on the same port, so that its URL stays true."""

    name = "postgres"

    def __init__(self, data_dir: Path) -> None:
        self.port: int | None = None
        self._data_dir = data_dir
        self._server: EmbeddedPostgres | None = None

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server is not None else None

    def start(self) -> None:
        """Start the server without waiting for it. Raises StorageError if the folder or the port cannot be used."""
        if self._server is not None:
            self._server.stop()  # it is dead; this gives its folder free
        self._server = EmbeddedPostgres.start(self._data_dir, port=self.port)
        self.port = urlsplit(self._server.url).port

    def wait_ready(self) -> str:
        """The URL, once the server accepts connections. Raises StorageUnavailable if it dies or falls silent."""
        if self._server is None:
            raise RuntimeError("the server was not started")
        self._server.wait_ready()
        return self._server.url

    def exit_code(self) -> int | None:
        return None if self._server is None else self._server.poll()

    def stop(self, grace_s: float) -> None:
        if self._server is not None:
            self._server.stop(timeout_s=grace_s)

    def tend(self) -> None:
        """Nothing to do: `exit_code` keeps the server's log within its limit."""
