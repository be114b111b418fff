"""An installation: one data folder that holds everything a complete Evershelf on one machine keeps.

postgres/            the embedded PostgreSQL, unless a database URL is given
registry/            model versions, snapshots, aliases
gateway/  inference/ what those processes keep on disk (gateway/ 0700: it holds users' ids)
secrets/             0700: key_secret, registry_signing_key, api_key, database_url (while running)
logs/                one bounded file a process
installation.json    ports that this installation keeps (PostgreSQL's stands in its own folder)
status.json          the processes of the running supervisor
lock                 held by the supervisor: one an installation
"""

import fcntl
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY_SECRET_BYTES = 32
PASSWORD_BYTES = 12
DRAFT_BYTES = 4  # of chance in the name of a file that is being written
SIGNING_KEY = "registry_signing_key"
SYSTEM_DATA_DIR = Path("/var/lib/evershelf")
LOOPBACK = "127.0.0.1"


class InstallationError(Exception):
    """Something about the data folder is in the way; the message says what to do."""


class AlreadyRunningError(InstallationError):
    """Another supervisor holds this data folder."""


@dataclass(frozen=True)
class Installation:
    """The paths of one installation. Nothing is made on disk before `prepare`."""

    data_dir: Path

    @property
    def postgres_dir(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def registry_dir(self) -> Path:
        return self.data_dir / "registry"

    @property
    def gateway_dir(self) -> Path:
        return self.data_dir / "gateway"

    @property
    def inference_dir(self) -> Path:
        return self.data_dir / "inference"

    @property
    def web_dir(self) -> Path:
        return self.data_dir / "web"

    @property
    def secrets_dir(self) -> Path:
        return self.data_dir / "secrets"

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def status_path(self) -> Path:
        return self.data_dir / "status.json"

    def prepare(self) -> None:
        """Make the folders and the key secret where they are missing; InstallationError where that is impossible."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            for folder in (self.registry_dir, self.inference_dir, self.logs_dir):
                folder.mkdir(exist_ok=True)
            for private in (self.secrets_dir, self.gateway_dir, self.web_dir):  # both keep users' ids
                private.mkdir(mode=0o700, exist_ok=True)
            # What was published before there was a key stays usable: only a new registry begins with signatures.
            if not any(self.registry_dir.iterdir()):
                self._make_secret(SIGNING_KEY, secrets.token_hex(KEY_SECRET_BYTES))
            self._make_secret("key_secret", secrets.token_hex(KEY_SECRET_BYTES))
            self._make_secret("web_session_secret", secrets.token_hex(KEY_SECRET_BYTES))
            self._make_secret("web_password", secrets.token_urlsafe(PASSWORD_BYTES))
        except OSError as error:
            raise InstallationError(
                f"cannot use {self.data_dir} as data folder: {error.strerror}; choose another with --data-dir"
            ) from error

    def _make_secret(self, name: str, value: str) -> None:
        # Two processes may prepare a new installation at once: both go on with what the first one made.
        if self.secret(name) is None:
            try:
                _write_whole(self.secrets_dir / name, value, mode=0o600, place=os.link)
            except FileExistsError:
                if self.secret(name) is None:  # an empty file is no secret
                    self.keep_secret(name, value)

    def secret(self, name: str) -> str | None:
        """A secret of this installation, or None if it was never kept."""
        try:
            return (self.secrets_dir / name).read_text().strip() or None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError as error:
            raise InstallationError(
                f"cannot read the secrets in {self.secrets_dir}: run as the account that made the installation"
            ) from error

    def keep_secret(self, name: str, value: str) -> None:
        """Write a secret whole or not at all, readable by its owner only."""
        _write_whole(self.secrets_dir / name, value, mode=0o600)

    def forget_secret(self, name: str) -> None:
        """Remove a secret; one that is not there is fine."""
        (self.secrets_dir / name).unlink(missing_ok=True)

    def ports(self) -> dict[str, int]:
        """The ports that this installation remembers, by process name."""
        try:
            remembered = json.loads((self.data_dir / "installation.json").read_text())["ports"]
            return {str(name): int(port) for name, port in remembered.items()}
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InstallationError(
                f"{self.data_dir / 'installation.json'} is damaged: remove it, it holds nothing but ports"
            ) from error

    def remember_ports(self, ports: dict[str, int]) -> None:
        """Keep ports, so that a restart finds the same ones."""
        body = json.dumps({"ports": self.ports() | ports}, indent=2)
        _write_whole(self.data_dir / "installation.json", body + "\n", mode=0o644)

    def port(self, name: str) -> int:
        """The remembered port of `name` if it is still free, else a new free one, remembered from now on."""
        port = self.ports().get(name)
        if port is None or not is_free(port):
            port = free_port()
            self.remember_ports({name: port})
        return port

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the installation for one supervisor. Raises AlreadyRunningError if another one does."""
        with (self.data_dir / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunningError(
                    f"an Evershelf is already running on {self.data_dir}: stop it, or choose another --data-dir"
                ) from error
            yield

    def is_running(self) -> bool:
        """Whether a supervisor holds this installation now."""
        try:
            with (self.data_dir / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def default_data_dir(name: str = "default", *, working_dir: Path | None = None) -> Path:
    """`.evershelf/NAME` in the working folder; for root in a private folder, one below /var/lib/evershelf.

    Embedded PostgreSQL refuses to run as root and runs as an unprivileged account instead, which cannot pass
    through a folder such as /root. The folder below /var/lib is named after the working folder, so that two
    projects do not meet.
    """
    working_dir = (working_dir or Path.cwd()).resolve()
    if os.geteuid() != 0 or is_traversable(working_dir):
        return working_dir / ".evershelf" / name
    mark = hashlib.sha256(os.fsencode(working_dir)).hexdigest()[:8]
    return SYSTEM_DATA_DIR / f"{working_dir.name}-{mark}" / name


def is_traversable(folder: Path) -> bool:
    """Whether an unprivileged account can reach what lies in `folder`."""
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents) if part.exists())


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _write_whole(path: Path, body: str, *, mode: int, place: Callable[[Path, Path], None] = os.replace) -> None:
    # A reader sees the old body or the new one, never half of it.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(DRAFT_BYTES)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())  # a power cut may else leave an empty file, and a lost key secret voids every key
        place(draft, path)
    finally:
        draft.unlink(missing_ok=True)
