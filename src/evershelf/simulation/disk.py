"""The disk under the spool: real SQLite files, and a connection that fails where a disk does."""

import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from evershelf.gateway.one_thread import OneThread
from evershelf.simulation.faults import Fault, Weather

SYNC_S = (0.000_3, 0.004)
FILE_S = (0.000_1, 0.001)
SLOW_S = (0.1, 1.5)
HANG_S = 10.5  # the spool's patience is 10 s
_WRITES = ("INSERT", "UPDATE", "DELETE", "COMMIT")


class SimulatedDisk:
    """What is committed stays, whoever is killed; `crash` is called where a kill between write and answer is due."""

    def __init__(self, weather: Weather, crash: Callable[[], None]) -> None:
        self.weather = weather
        self.crash = crash
        self._open: list[FailingConnection] = []

    def open_sqlite(self, path: Path) -> sqlite3.Connection:
        """As gateway.outside.open_sqlite."""
        connection = sqlite3.connect(path, isolation_level=None, timeout=0.0, factory=FailingConnection)
        connection.disk = self
        self._open.append(connection)
        return connection

    def delays_s(self, executor: Executor | None) -> tuple[float, float]:
        """How long a call on a thread takes; see VirtualLoop."""
        between = self.weather.between
        if self.weather.strikes(Fault.DISK_HANGS):
            return HANG_S, 0.0
        if self.weather.strikes(Fault.DISK_SLOW):
            return between(*SLOW_S), between(*FILE_S)
        return between(*(SYNC_S if isinstance(executor, OneThread) else FILE_S)), between(*FILE_S)

    def forget(self) -> None:
        """The process is gone: what it had not committed never was."""
        for connection in self._open:
            connection.disk = None
            connection.close()
        self._open.clear()


class FailingConnection(sqlite3.Connection):
    """Fails before a write, or at a commit: then it is for chance to say whether the commit took place."""

    disk: SimulatedDisk | None = None

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        """As sqlite3 does, disk permitting."""
        if self.disk is None or not statement.lstrip().startswith(_WRITES):
            return super().execute(statement, parameters)
        return self._write(self.disk, statement, lambda: super(FailingConnection, self).execute(statement, parameters))

    def executemany(self, statement: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        """As sqlite3 does, disk permitting."""
        if self.disk is None:
            return super().executemany(statement, rows)
        return self._write(self.disk, statement, lambda: super(FailingConnection, self).executemany(statement, rows))

    def _write(self, disk: SimulatedDisk, statement: str, run: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        weather = disk.weather
        if weather.strikes(Fault.DISK_FULL):
            raise _failure(sqlite3.SQLITE_FULL, "database or disk is full")
        if statement != "COMMIT":
            return run()
        sync_fails = weather.strikes(Fault.DISK_SYNC_FAILS)
        killed = Fault.GATEWAY_KILLED_WRITING in weather.on
        committed = not (sync_fails or killed) or weather.between(0, 1) < 0.5
        cursor = run() if committed else None
        if killed:
            weather.happened(Fault.GATEWAY_KILLED_WRITING)
            weather.end(Fault.GATEWAY_KILLED_WRITING)
            disk.crash()
        if sync_fails or cursor is None:
            raise _failure(sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error")
        return cursor


def _failure(code: int, message: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    return error
