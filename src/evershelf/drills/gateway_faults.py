"""What can happen to gateways and around them: restarts, starved CPU, full disks, blocked logs, odd clients."""

import asyncio
import os
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from evershelf.drills.injection import CannotInjectError, Injection, Witness, sure
from evershelf.drills.rig import GATEWAY, LOG_BYTES_MAX, Rig, RigFailedError
from evershelf.drills.small_disk import fill, relieve, small_disk
from evershelf.gateway.spool import SPOOL_FILE

SECOND = "gateway-2"
DISK_MB = 48
EXIT_TIMEOUT_S = 60.0
POLL_S = 0.05
JOURNAL_TRIES = 100
CGROUP = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 100_000
SLOW_BYTE_S = 0.5
# So many connections every so often: 2,000 a second. A flood is another thing (docs/concepts/fault-matrix.md).
MOVED_AT_ONCE = 20
MOVE_EVERY_S = 0.01


@asynccontextmanager
async def two_gateways(rig: Rig) -> AsyncIterator[Witness]:
    """A second gateway beside the first, before the load begins."""
    rig.start_gateway(SECOND)
    try:
        yield sure
    finally:
        rig.kill(SECOND, signal.SIGTERM)


@asynccontextmanager
async def rolling_restart(rig: Rig) -> AsyncIterator[Witness]:
    """SIGTERM to one gateway after the other, the next only when the former is ready again."""
    for name in (GATEWAY, SECOND):
        rig.processes[name].stop(EXIT_TIMEOUT_S)
        rig.start_again(name)
    yield sure


@asynccontextmanager
async def badly_configured(rig: Rig) -> AsyncIterator[Witness]:
    """A gateway is started with settings that cannot be; felt if it refused to start and said why."""
    with suppress(RigFailedError):
        rig.start_gateway("gateway-misconfigured", EVERSHELF_GATEWAY_BODY_BYTES_MAX="banana")
    process = rig.processes["gateway-misconfigured"]
    refused = process.exit_code() not in {None, 0} and "body_bytes_max" in rig.log("gateway-misconfigured")

    async def felt() -> bool:
        return refused

    yield felt


@asynccontextmanager
async def half_a_cpu(rig: Rig) -> AsyncIterator[Witness]:
    """The gateway may use half of one core, in slices of 50 of every 100 ms."""
    pid = rig.processes[GATEWAY].pid
    assert pid is not None
    home = _cpu_group(pid)
    group = home / f"evershelf-drill-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(PERIOD_US // 2))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        raise CannotInjectError(f"no cgroup of our own can be made: {error}") from error

    async def felt() -> bool:
        throttled = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
        return int(throttled["nr_periods"]) > 0

    try:
        yield felt
    finally:
        (home / "cgroup.procs").write_text(str(pid))
        group.rmdir()


def _cpu_group(pid: int) -> Path:
    """The group (version 1) that rules a process's CPU; the root where there is none."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return CGROUP / path.lstrip("/")
    return CGROUP


# Spool ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def on_small_disk(rig: Rig) -> AsyncIterator[Witness]:
    """The gateway is started anew with its folder on a disk of a few MB, before the load begins."""
    with small_disk(rig.folder / "gateway-disk", megabytes=DISK_MB) as disk:
        rig.kill(GATEWAY, signal.SIGTERM)
        rig.start_gateway(data_dir=disk)
        try:
            yield sure
        finally:
            rig.kill(GATEWAY, signal.SIGTERM)
            rig.start_gateway()


@asynccontextmanager
async def disk_full(rig: Rig) -> AsyncIterator[Witness]:
    """Not a byte is left on the spool's disk, nor in its journal; felt if a commit of the spool failed."""
    disk = rig.folder / "gateway-disk"
    await _without_journal(next(disk.rglob(SPOOL_FILE)))
    failures = rig.metrics().get("evershelf_spool_failures", 0.0)
    fill(disk)

    async def felt() -> bool:
        return rig.metrics().get("evershelf_spool_failures", 0.0) > failures

    try:
        yield felt
    finally:
        relieve(disk)


async def _without_journal(spool: Path) -> None:
    """Empties the spool's journal, which else has room for many more commits: what is folded in is written over."""
    with closing(sqlite3.connect(spool, timeout=0)) as journal:
        for _ in range(JOURNAL_TRIES):
            with suppress(sqlite3.OperationalError):  # locked at this moment
                (busy, _, _) = journal.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return
            await asyncio.sleep(POLL_S)
    raise CannotInjectError(f"{spool} was never idle")


# Monitoring -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def log_in_a_pipe(rig: Rig) -> AsyncIterator[Witness]:
    """The gateway is started anew with its log in a pipe that is read, before the load begins."""
    pipe = rig.folder / "log.pipe"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    rig.kill(GATEWAY, signal.SIGTERM)
    try:
        rig.start_gateway(log_path=pipe)
        yield sure
    finally:
        _drain(reading)
        os.kill(rig.processes[GATEWAY].pid or 0, signal.SIGTERM)
        while rig.is_running(GATEWAY):
            _drain(reading)
            await asyncio.sleep(POLL_S)
        os.close(reading)
        rig.start_gateway()


@asynccontextmanager
async def log_pipe_blocked(rig: Rig) -> AsyncIterator[Witness]:
    """The pipe is full and nobody reads it."""
    writing = os.open(rig.folder / "log.pipe", os.O_WRONLY | os.O_NONBLOCK)
    reading = os.open(rig.folder / "log.pipe", os.O_RDONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4_096)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x")

    async def felt() -> bool:
        try:
            os.write(writing, b"x")
        except BlockingIOError:
            return True
        return False

    try:
        yield felt
    finally:
        _drain(reading)
        os.close(reading)
        os.close(writing)


def _drain(reading: int) -> None:
    with suppress(BlockingIOError):
        while os.read(reading, LOG_BYTES_MAX):
            pass


# Clients --------------------------------------------------------------------------------------------------------


def slow_readers(path: str, *, count: int) -> Injection:
    """So many clients ask for `path` and read the answer at two bytes a second, again and again."""
    return _crowd(count, f"GET {path} HTTP/1.1\r\nHost: drill\r\n\r\n".encode(), reads=True)


def slow_writers(*, count: int) -> Injection:
    """So many clients send the head of a request at two bytes a second."""
    return _crowd(count, b"", reads=False)


def idle_connections(*, count: int) -> Injection:
    """One client opens so many connections, says nothing, and closes them again at the same pace."""

    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        held: list[socket.socket] = []
        try:
            for _ in range(count):
                held.append(_connect(rig))
                if len(held) % MOVED_AT_ONCE == 0:
                    await asyncio.sleep(MOVE_EVERY_S)

            async def felt() -> bool:
                return len(held) == count

            yield felt
        finally:
            while held:
                held.pop().close()
                if len(held) % MOVED_AT_ONCE == 0:
                    await asyncio.sleep(MOVE_EVERY_S)

    return inject


def _crowd(count: int, request: bytes, *, reads: bool) -> Injection:
    @asynccontextmanager
    async def inject(rig: Rig) -> AsyncIterator[Witness]:
        moved = 0

        async def one() -> None:
            nonlocal moved
            while True:
                with suppress(OSError), _connect(rig) as connection:
                    connection.sendall(request)
                    for byte in b"GET /v1/recommendations?user_id=slow HTTP/1.1\r\nX-Slow: " + b"y" * 4_096:
                        with suppress(BlockingIOError):  # a busy gateway: nothing to read yet
                            if reads and not connection.recv(1, socket.MSG_DONTWAIT):
                                break
                            if not reads:
                                connection.send(bytes([byte]), socket.MSG_DONTWAIT)
                            moved += 1
                        await asyncio.sleep(SLOW_BYTE_S)
                await asyncio.sleep(SLOW_BYTE_S)

        async def felt() -> bool:
            return moved > count

        tasks = [asyncio.create_task(one()) for _ in range(count)]
        try:
            yield felt
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return inject


def _connect(rig: Rig) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    connection.settimeout(5.0)
    connection.connect(("127.0.0.1", rig.ports[GATEWAY]))
    return connection
