"""What the gateway takes from the machine around it; a simulation hands it a machine of its own."""

import gc
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from evershelf.storage import postgres

SWITCH_S = 0.001
GC_YOUNG_OBJECTS = 20_000
GC_YOUNG_PER_MIDDLE = 50
GC_MIDDLE_PER_FULL = 1_000
# RFC 9562, section 5.4: four bits for the version, two for the variant; all others are random.
_ID_BITS_FIXED = 0xF000_C000_0000_0000_0000
_ID_BITS_OF_VERSION_4 = 0x4000_8000_0000_0000_0000
SQLITE_BUSY_TIMEOUT_S = 2.0  # another gateway may hold the same file while one replaces the other


@dataclass(frozen=True, slots=True)
class Clock:
    """Monotonic seconds for durations and deadlines; Unix seconds for the time of day, which may step."""

    monotonic_s: Callable[[], float] = time.monotonic
    unix_s: Callable[[], float] = time.time


def open_sqlite(path: Path) -> sqlite3.Connection:
    """A connection without transactions of its own making."""
    return sqlite3.connect(path, isolation_level=None, timeout=SQLITE_BUSY_TIMEOUT_S)


def spare_the_collector() -> None:
    """Keeps the garbage collector from stopping the event loop: full collections took 100 to 200 ms of it here.

    What exists by now lives as long as the process and is not looked at again. Nearly all garbage is freed by counting
    references; the rare cycle that is left dies young, in collections that stay quick.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_YOUNG_OBJECTS, GC_YOUNG_PER_MIDDLE, GC_MIDDLE_PER_FULL)


def give_short_turns() -> None:
    """A thread that is at work gives the interpreter up after 1 ms instead of 5: the event loop waits for each of them.

    While a snapshot of 100,000 items is taken in, the longest answer took 22 ms before and takes 9 ms so.
    """
    sys.setswitchinterval(SWITCH_S)


def keep_from_collector() -> None:
    """Takes all that exists out of the collector's sight, for where a large catalog was just made.

    A list of a million takes it 30 ms, and there are several. The price: what exists now and later becomes part of a
    cycle is never found. Where the catalog is small there is nothing to gain, and this is not to be called.
    """
    gc.freeze()


@dataclass(frozen=True, slots=True)
class Outside:
    """Time, chance, PostgreSQL, the spool's disk. Sockets, timers and threads come from the event loop.

    `settle` is called once, when all parts have started.
    """

    clock: Clock = field(default_factory=Clock)
    random: Random = field(default_factory=Random)
    connect: Callable[..., Coroutine[Any, Any, "asyncpg.Connection[asyncpg.Record]"]] = postgres.connect
    open_pool: Callable[..., Awaitable[postgres.Pool]] = postgres.open_pool
    open_sqlite: Callable[[Path], sqlite3.Connection] = open_sqlite

    settle: Callable[[], None] = spare_the_collector
    log_lines_dropped: Callable[[], int] = int

    def new_id(self) -> UUID:
        """A random id (version 4), from the same chance as everything else."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def new_id_text(self) -> bytes:
        """As `new_id`, written out: for where there is no time for an object."""
        number = self.random.getrandbits(128) & ~_ID_BITS_FIXED | _ID_BITS_OF_VERSION_4
        digits = number.to_bytes(16, "big").hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".encode()
