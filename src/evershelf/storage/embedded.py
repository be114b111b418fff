"""A PostgreSQL server of our own: a child process that ends with us and survives being killed.

What lies in the data folder: cluster/ (PostgreSQL's own), password (0600), port, server.log and one older log, lock.
"""

import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Self

from evershelf.storage.embedded_account import Account, own_file, own_folder, require_reachable, server_account
from evershelf.storage.embedded_binaries import Binaries, find_binaries
from evershelf.storage.errors import StorageUnavailable, StorageUnsuitable

USER = "evershelf"
LOG_SIZE_MAX_BYTES = 8 * 2**20
LOG_TAIL_LINES = 15
STOP_TIMEOUT_S = 30.0
INITDB_TIMEOUT_S = 120.0
# How long a server whose parent was killed may take to write its last checkpoint.
PREDECESSOR_TIMEOUT_S = 60.0
# Recovery may take as long as it likes while it makes progress; without any sign of it, this long.
SILENCE_TIMEOUT_S = 120.0
POLL_S = 0.02
_PR_SET_PDEATHSIG = 1
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@contextmanager
def run(data_dir: Path, *, port: int | None = None) -> Iterator[str]:
    """The URL of a ready server that runs for the time of the block."""
    server = EmbeddedPostgres.start(data_dir, port=port)
    try:
        server.wait_ready()
        yield server.url
    finally:
        server.stop()


@dataclass(slots=True)
class EmbeddedPostgres:
    """A running server. Made by `start`; `wait_ready` before use, `stop` after it."""

    url: str
    data_dir: Path
    _child: "subprocess.Popen[bytes]" = field(repr=False)
    _lock: IO[str] = field(repr=False)

    @classmethod
    def start(cls, data_dir: Path, *, port: int | None = None, settings: Mapping[str, str] = _NO_SETTINGS) -> Self:
        """Starts the server of this data folder, making its cluster on first use; does not wait until it is ready.

        Call it from a thread that lives as long as the server shall: Linux sends the parent-death signal when the
        *thread* that made the child ends, not only when the process does.
        Without `port`: the port of last time, else (or where that is taken) a free one. `settings` are PostgreSQL's.
        Raises StorageUnsuitable if the folder cannot be used, StorageUnavailable if another server uses it.
        """
        data_dir = data_dir.absolute()
        account = server_account()
        own_folder(data_dir, account)
        lock = _hold(data_dir)
        try:
            binaries = find_binaries(_made_by(data_dir / "cluster"))
            require_reachable(binaries.folder, account, remedy="install Evershelf in a folder that all may read")
            password = _make_cluster(data_dir, binaries, account)
            _await_predecessor(data_dir / "cluster")
            port = _choose_port(data_dir, port, account)
            child = _spawn(data_dir, binaries, account, {"port": str(port), **settings})
        except BaseException:
            lock.close()
            raise
        return cls(f"postgresql://{USER}:{password}@127.0.0.1:{port}/postgres", data_dir, child, lock)

    @property
    def pid(self) -> int:
        return self._child.pid

    def poll(self) -> int | None:
        """None while the server runs, else its exit code. Also keeps the log within its limit: call it now and then."""
        _bound_log(self.data_dir / "server.log")
        return self._child.poll()

    def wait_ready(self) -> None:
        """Returns once connections are accepted. Crash recovery is awaited as long as it shows progress.

        Raises StorageUnavailable, with the end of the log, if the server dies or falls silent.
        """
        silent_since, seen = time.monotonic(), 0
        while not self._is_ready():
            if self._child.poll() is not None:
                raise StorageUnavailable(f"the embedded PostgreSQL did not start:\n{self._log_tail()}")
            progress = _progress(self.data_dir)
            if progress != seen:
                silent_since, seen = time.monotonic(), progress
            if time.monotonic() - silent_since > SILENCE_TIMEOUT_S:
                raise StorageUnavailable(f"the embedded PostgreSQL shows no progress:\n{self._log_tail()}")
            time.sleep(POLL_S)

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ends the server: cleanly if it can within the time, by force (a recovery at next start) if not."""
        for ask in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._child.poll() is None:
                self._child.send_signal(ask)
                try:
                    self._child.wait(timeout_s)
                except subprocess.TimeoutExpired:
                    continue
            break
        self._child.wait()
        self._lock.close()

    def _is_ready(self) -> bool:
        # The postmaster writes its state as the eighth line of its own file; the first line says that it is ours.
        lines = _lines(self.data_dir / "cluster" / "postmaster.pid")
        return len(lines) >= 8 and lines[0] == str(self._child.pid) and lines[7].strip() == "ready"

    def _log_tail(self) -> str:
        return "\n".join(_lines(self.data_dir / "server.log")[-LOG_TAIL_LINES:])


def _hold(data_dir: Path) -> IO[str]:
    lock = (data_dir / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StorageUnavailable(
            f"another Evershelf already runs the database in {data_dir}: stop it, or choose another --data-dir"
        ) from error
    return lock


def _made_by(cluster: Path) -> int | None:
    lines = _lines(cluster / "PG_VERSION")
    return int(lines[0]) if lines else None


def _make_cluster(data_dir: Path, binaries: Binaries, account: Account) -> str:
    cluster, draft, password_file = data_dir / "cluster", data_dir / "cluster.new", data_dir / "password"
    if cluster.exists():
        return password_file.read_text().strip()
    # Made aside and renamed when whole: an interrupted first start leaves nothing that looks like a cluster.
    shutil.rmtree(draft, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    own_file(password_file, password + "\n", account)
    command = [
        *(str(binaries.initdb), "-D", str(draft), "-U", USER, f"--pwfile={password_file}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
    ]
    done = subprocess.run(  # noqa: S603 - our own programs and paths
        command, cwd="/", capture_output=True, timeout=INITDB_TIMEOUT_S, check=False, **account.drop()
    )
    if done.returncode != 0:
        raise StorageUnsuitable(f"initdb failed in {data_dir}:\n{done.stderr.decode(errors='replace')[-2_000:]}")
    draft.rename(cluster)
    return password


def _await_predecessor(cluster: Path) -> None:
    """Waits for what a killed server or a killed parent left behind: PostgreSQL refuses to start beside it."""
    give_up_at = time.monotonic() + PREDECESSOR_TIMEOUT_S
    while users := _users_of(cluster):
        if time.monotonic() > give_up_at:
            raise StorageUnavailable(f"another PostgreSQL (process {users[0]}) still uses {cluster}: stop it")
        time.sleep(POLL_S)


def _users_of(cluster: Path) -> list[int]:
    # All of PostgreSQL's processes work in their cluster's folder, the orphans of a killed server too. Where there
    # is no /proc, PostgreSQL's own check remains.
    working = [int(cwd.parent.name) for cwd in Path("/proc").glob("[0-9]*/cwd") if _leads_to(cwd, cluster)]
    # A killed postmaster that was not yet collected works nowhere, but PostgreSQL still takes it for alive.
    return working + [int(pid) for pid in _lines(cluster / "postmaster.pid")[:1] if _is_uncollected(pid)]


def _is_uncollected(pid: str) -> bool:
    try:
        # The state follows the command's name, which stands in parentheses: proc(5).
        name, _, rest = (Path("/proc") / pid / "stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    return name.startswith("postgres") and rest.split()[0] == "Z"


def _leads_to(link: Path, folder: Path) -> bool:
    try:
        is_same = link.samefile(folder)
        # A person's shell may stand in the folder as well.
        return is_same and (link.parent / "comm").read_text().startswith("postgres")
    except OSError:  # the process has ended, or belongs to somebody else
        return False


def _choose_port(data_dir: Path, wanted: int | None, account: Account) -> int:
    remembered = _lines(data_dir / "port")
    port = wanted or (int(remembered[0]) if remembered else 0)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if wanted:
                raise StorageUnavailable(f"port {wanted} is taken: choose another for the database") from error
            probe.bind(("127.0.0.1", 0))
        chosen: int = probe.getsockname()[1]
    own_file(data_dir / "port", f"{chosen}\n", account)
    return chosen


def _spawn(
    data_dir: Path, binaries: Binaries, account: Account, settings: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    log = data_dir / "server.log"
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    own_file(log, "", account)
    fixed = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",  # pragma: allowlist secret
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        # Our statements are short: compiling them costs more than it saves.
        "jit": "off",
        # Ids and values of users must not reach the log: neither statements nor the DETAIL of an error.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }
    options = [part for name, value in {**fixed, **settings}.items() for part in ("-c", f"{name}={value}")]
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own programs and paths
            [str(binaries.postgres), "-D", str(data_dir / "cluster"), *options],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C at the terminal is for us; we stop the server when everything that uses it has ended.
            start_new_session=True,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509 - one system call, prepared before the fork
            **account.drop(),
        )


def _end_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    # Loaded here: between fork and exec only the call itself is left to do.
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask_for_signal() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_for_signal


def _progress(data_dir: Path) -> int:
    # Any change of these is a sign of life; PostgreSQL itself logs every 10 s how far recovery has come.
    watched = (data_dir / "server.log", data_dir / "cluster/global/pg_control", data_dir / "cluster/pg_wal")
    return hash(tuple(path.stat().st_mtime_ns for path in watched if path.exists()))


def _bound_log(log: Path) -> None:
    # Copied and cut rather than renamed: the server keeps its descriptor and appends to whatever is there.
    if log.exists() and log.stat().st_size > LOG_SIZE_MAX_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
