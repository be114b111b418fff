"""The embedded server survives being killed, never outlives its parent, and says clearly what stands in its way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from evershelf.storage import embedded_account
from evershelf.storage.embedded import LOG_SIZE_MAX_BYTES, EmbeddedPostgres, run
from evershelf.storage.errors import StorageUnavailable, StorageUnsuitable

PARENT = """
import sys, time
from pathlib import Path
from evershelf.storage.embedded import EmbeddedPostgres
server = EmbeddedPostgres.start(Path(sys.argv[1]))
server.wait_ready()
print(server.pid, flush=True)
time.sleep(600)
"""


async def test_a_killed_server_recovers_without_loss(open_tmp_path: Path):
    # Promise: every row whose insert was acknowledged is there after kill -9 of the server.
    server = EmbeddedPostgres.start(open_tmp_path / "pg")
    server.wait_ready()
    connection = await asyncpg.connect(server.url)
    await connection.execute("CREATE TABLE kept (n integer)")
    for n in range(200):
        await connection.execute("INSERT INTO kept VALUES ($1)", n)
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with run(open_tmp_path / "pg") as url:
        after = await asyncpg.connect(url)
        assert await after.fetchval("SELECT count(*) FROM kept") == 200
        await after.close()
    connection.terminate()


def test_the_server_ends_when_its_parent_is_killed(open_tmp_path: Path):
    # Promise: kill -9 of the parent leaves no server, and the next start waits for the old one and succeeds.
    parent = subprocess.Popen([sys.executable, "-c", PARENT, open_tmp_path / "pg"], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    with run(open_tmp_path / "pg"):
        assert not is_postgres(pid)


def test_a_killed_server_is_followed_at_once_by_another(open_tmp_path: Path):
    # Promise: with server and parent killed together, the next start waits for what they left and succeeds.
    for _ in range(3):
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, open_tmp_path / "pg"], stdout=subprocess.PIPE, text=True
        )
        with parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            parent.send_signal(signal.SIGSTOP)  # so that it cannot collect its child
            os.kill(pid, signal.SIGKILL)
            parent.kill()


def is_postgres(pid: int) -> bool:
    # A process that ended but was not yet collected has no command line.
    command = Path(f"/proc/{pid}/cmdline")
    return command.exists() and b"postgres" in command.read_bytes()


def test_url_and_port_are_remembered(open_tmp_path: Path):
    # Promise: a restart is found at the same address with the same password.
    with run(open_tmp_path / "pg") as first:
        pass
    with run(open_tmp_path / "pg") as second:
        assert second == first


def test_two_on_one_folder_is_a_clear_error(open_tmp_path: Path):
    # Promise: the second one is told what is wrong and what to do, and the first one is left in peace.
    server = EmbeddedPostgres.start(open_tmp_path / "pg")
    server.wait_ready()
    with pytest.raises(StorageUnavailable, match="--data-dir"):
        EmbeddedPostgres.start(open_tmp_path / "pg")
    assert server.poll() is None
    server.stop()


def test_secrets_and_folder_are_closed_to_others(open_tmp_path: Path):
    # Promise: only the server's account reads the folder, and nothing above it is changed.
    with run(open_tmp_path / "pg"):
        assert (open_tmp_path / "pg").stat().st_mode & 0o777 == 0o700
        assert (open_tmp_path / "pg" / "password").stat().st_mode & 0o777 == 0o600
    status = open_tmp_path.stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o755, os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account")
def test_a_closed_parent_folder_is_a_clear_error(open_tmp_path: Path):
    # Promise: we never open somebody's folder; we say which one is closed and what to do.
    closed = open_tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(StorageUnsuitable, match=r"nobody.*closed.*--data-dir"):
        EmbeddedPostgres.start(closed / "pg")
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_folder_with_other_files_is_left_alone(open_tmp_path: Path):
    # Promise: a folder that holds something else is never taken over.
    (open_tmp_path / "letters").write_text("mine")
    stranger = embedded_account.Account("stranger", os.geteuid() + 1, os.getegid(), dropped=True)
    with pytest.raises(StorageUnsuitable, match="another account"):
        embedded_account.own_folder(open_tmp_path, stranger)


def test_an_interrupted_first_start_is_repeated(open_tmp_path: Path):
    # Promise: half a cluster is never mistaken for a whole one.
    with run(open_tmp_path / "pg"):
        pass
    (open_tmp_path / "pg" / "cluster").rename(open_tmp_path / "pg" / "cluster.new")
    with run(open_tmp_path / "pg"):
        assert (open_tmp_path / "pg" / "cluster").is_dir()


def test_a_server_that_cannot_start_shows_its_log(open_tmp_path: Path):
    # Promise: the error carries the end of the server's own log.
    server = EmbeddedPostgres.start(open_tmp_path / "pg", settings={"max_connections": "lots"})
    with pytest.raises(StorageUnavailable, match="max_connections"):
        server.wait_ready()
    server.stop()


def test_the_log_is_bounded(open_tmp_path: Path):
    # Promise: looking at the server now and then keeps its log within the limit.
    server = EmbeddedPostgres.start(open_tmp_path / "pg")
    server.wait_ready()
    log = open_tmp_path / "pg" / "server.log"
    os.truncate(log, LOG_SIZE_MAX_BYTES + 1)
    assert server.poll() is None
    assert log.stat().st_size < LOG_SIZE_MAX_BYTES
    server.stop()


def test_a_frozen_server_is_stopped_by_force(open_tmp_path: Path):
    # Promise: stop() ends, whatever state the server is in.
    server = EmbeddedPostgres.start(open_tmp_path / "pg")
    server.wait_ready()
    os.kill(server.pid, signal.SIGSTOP)
    started = time.monotonic()
    server.stop(timeout_s=0.1)
    assert server.poll() == -signal.SIGKILL
    assert time.monotonic() - started < embedded_stop_bound_s()


def embedded_stop_bound_s() -> float:
    # Three signals of 0.1 s each, and a generous share for a busy machine.
    return 30.0


def test_a_link_in_the_servers_folder_is_not_written_through(tmp_path: Path):
    # Promise: the folder belongs to an unprivileged account; what it links to is safe from us, who may be root.
    (tmp_path / "precious").write_text("as it was")
    (tmp_path / "port").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="port"):
        embedded_account.own_file(tmp_path / "port", "5432", embedded_account.server_account())
    assert (tmp_path / "precious").read_text() == "as it was"
