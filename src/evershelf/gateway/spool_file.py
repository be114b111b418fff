"""The spool's file: one SQLite database, used by one thread, that never forgets what it has committed."""

import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from functools import cache
from importlib.resources import files
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, Self

from pydantic import ValidationError

from evershelf.contracts.events import Event, EventStatus
from evershelf.gateway.outside import open_sqlite

SCHEMA_VERSION = 1
JOURNAL_BYTES_MAX = 64 * 1_024 * 1_024
# So many pages (4 KiB) in the journal are folded into the file, by the commit that finds them: who waits for it, waits
# for that, too.
JOURNAL_PAGES_FOLDED = 2_000
CACHE_KIB_MAX = 16_384
# A file up to this size is read through at opening; in a larger one damage is found when it is met.
CHECKED_BYTES_MAX = 32 * 1_024 * 1_024
HELD_EVENTS_MAX = 5_000
_ROWS_A_STEP = (256, 64, 16, 4, 1)  # few, for each is a statement of its own
FORGET_ROWS_MAX = 2_000  # a removal; twice the usual batch, so that forgetting keeps up with accepting
QUARANTINED_MAX = 10
_HASH_BYTES = 16
_PARAMETERS = re.compile(r"\(\?(?:, \?)*\)")
_SQLITE_PRIMARY_CODE = 0xFF
_FILES_OF_A_DATABASE = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class SpooledEvent:
    """An event that waits for PostgreSQL; `sequence` is its place in the order of acceptance.

    `event` is None where the body, written by another version, is none that this one understands.
    """

    sequence: int
    body: bytes
    event: Event | None


@dataclass(frozen=True, slots=True)
class SpooledDecision:
    """A decision that waits for PostgreSQL, as encoded."""

    sequence: int
    body: bytes


@dataclass(frozen=True, slots=True)
class SpoolCounts:
    """As committed: accepted = stored + dead + pending at all times. `decisions` wait beside the events.

    `waits_since_s` is when the oldest pending event was accepted (Unix time), None where none waits.
    """

    accepted: int = 0
    stored: int = 0
    dead: int = 0
    pending: int = 0
    decisions: int = 0
    waits_since_s: int | None = field(default=None, compare=False)


class SpoolDamagedError(Exception):
    """The file is no database, or not a whole one. What it holds cannot be trusted, so it is put aside."""


class _Row(NamedTuple):
    """An event as it is kept."""

    event_id: bytes
    body_hash: bytes
    body: bytes

    @classmethod
    def of(cls, event: Event) -> Self:
        body = _encoded(event)
        return cls(event.event_id.bytes, hashlib.blake2b(body, digest_size=_HASH_BYTES).digest(), body)


class _Held:
    """The waiting events once more in memory, so that shipping need not read them, as long as they are few."""

    def __init__(self) -> None:
        self._events: dict[int, SpooledEvent] = {}

    def holds_all(self, pending: int) -> bool:
        """Whether all waiting events are here; where not, none is, and none comes until the file holds none either.

        Another process at the same file may make it say so in error, for one batch: what is shipped twice is counted
        once, and then it holds none.
        """
        if len(self._events) != pending:
            self._events.clear()
        return len(self._events) == pending

    def add(self, events: Iterable[SpooledEvent]) -> None:
        self._events.update((each.sequence, each) for each in events)
        if len(self._events) > HELD_EVENTS_MAX:
            self._events.clear()

    def oldest(self, limit: int) -> list[SpooledEvent]:
        return [*islice(self._events.values(), limit)]

    def drop(self, sequences: Iterable[int]) -> None:
        for sequence in sequences:
            self._events.pop(sequence, None)


class SpoolFile:
    """An open spool. Every change is on disk when its method returns, or has not happened at all.

    After an error the object must be closed and the file opened anew: once a sync has failed, nothing is known about
    what the same descriptor will write. Raises sqlite3.Error or OSError, and SpoolDamagedError at opening.
    """

    def __init__(
        self,
        path: Path,
        *,
        remember_s: int,
        unix_s: Callable[[], float],
        connect: Callable[[Path], sqlite3.Connection] = open_sqlite,
    ) -> None:
        self._remember_s = remember_s
        self._unix_s = unix_s
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = connect(path)
        self._held = _Held()
        try:
            self._prepare(path)
            self.counts = self._read_counts()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Closes the database; SQLite folds its journal into it."""
        self._connection.close()

    def append(self, batches: Sequence[Sequence[Event]]) -> list[list[EventStatus]]:
        """Commits all batches at once: ACCEPTED, DUPLICATE or CONFLICT for each event, in order."""
        events = list(chain.from_iterable(batches))
        rows, now_s = [_Row.of(event) for event in events], int(self._unix_s())
        whole = self._held.holds_all(self.counts.pending)
        with self._transaction():
            new = self._append_new(rows, now_s)
            fates = [self._append(row, now_s) for row in rows] if new is None else new
            accepted = sum(isinstance(fate, int) for fate in fates)
            self._count(accepted=accepted, pending=accepted)
        if whole:
            self._held.add(
                SpooledEvent(fate, row.body, event)
                for fate, row, event in zip(fates, rows, events, strict=True)
                if isinstance(fate, int)
            )
        told = iter([EventStatus.ACCEPTED if isinstance(fate, int) else fate for fate in fates])
        return [list(islice(told, len(batch))) for batch in batches]

    def pending(self, limit: int) -> list[SpooledEvent]:
        """The oldest waiting events, in order of acceptance."""
        if self._held.holds_all(self.counts.pending):
            return self._held.oldest(limit)
        rows = self._connection.execute(_sql("read_pending"), (limit,))
        return [SpooledEvent(sequence, body, _decoded(body)) for sequence, body in rows]

    def pending_newest(self, limit: int) -> list[Event]:
        """The newest waiting events, in order of acceptance."""
        rows = self._connection.execute(_sql("read_pending_newest"), (limit,)).fetchall()
        return [event for _, body in reversed(rows) if (event := _decoded(body)) is not None]

    def shipped(self, sequences: Sequence[int]) -> None:
        """Takes out what PostgreSQL has stored; what is no longer there counts nothing."""
        with self._transaction():
            removed = self._remove(sequences)
            self._count(stored=removed, pending=-removed)
            self._forget()

    def buried(self, sequences: Sequence[int]) -> None:
        """Takes out what now lies in dead letters."""
        with self._transaction():
            removed = self._remove(sequences)
            self._count(dead=removed, pending=-removed)

    def append_decisions(self, bodies: Sequence[bytes]) -> None:
        """Commits encoded decisions."""
        with self._transaction():
            self._run_for_all("add_decision", [(body,) for body in bodies])
            self._count(decisions=len(bodies))

    def decisions(self, limit: int) -> list[SpooledDecision]:
        """The oldest waiting decisions."""
        return [SpooledDecision(*row) for row in self._connection.execute(_sql("read_decisions"), (limit,))]

    def decisions_shipped(self, through: int) -> None:
        """Takes out the decisions up to this sequence, which have reached PostgreSQL."""
        with self._transaction():
            self._count(decisions=-self._connection.execute(_sql("remove_decisions"), (through,)).rowcount)

    def tidy(self) -> None:
        """Empties the journal, which else keeps what was shipped until that is written over."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _prepare(self, path: Path) -> None:
        try:
            self._configure(path)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise SpoolDamagedError(str(error)) from error
            raise
        _sync_folder(path.parent)

    def _configure(self, path: Path) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        execute("PRAGMA secure_delete = ON")  # what was shipped is overwritten, not only let go
        execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES_MAX}")
        # Ids are random, so every commit touches most pages of their index: written into the file once in many commits.
        execute(f"PRAGMA wal_autocheckpoint = {JOURNAL_PAGES_FOLDED}")
        execute(f"PRAGMA cache_size = -{CACHE_KIB_MAX}")
        execute("PRAGMA temp_store = MEMORY")  # what a statement may have to undo
        if (
            path.stat().st_size <= CHECKED_BYTES_MAX
            and (found := execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok"
        ):
            raise SpoolDamagedError(found)
        version = execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, SCHEMA_VERSION}:
            raise OSError(f"{path} was written by another Evershelf (format {version}): move it away or run that one")
        self._connection.executescript(
            f"BEGIN IMMEDIATE; {_sql('schema')} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
        for table in ("remembered", "decisions"):
            execute(_sql("number_from"), {"name": table, "first": int(self._unix_s() * 1_000_000)})

    def _append_new(self, rows: Sequence[_Row], now_s: int) -> "list[int | EventStatus] | None":
        """The sequences of all; None, and nothing done, where the id of any was there before."""
        self._connection.execute("SAVEPOINT all_new")
        added = self._run_for_all("remember", [(row.event_id, row.body_hash, now_s) for row in rows])
        if whole := added == len(rows):
            # SQLite numbers a new row one higher than any row there ever was.
            (newest,) = self._connection.execute(_sql("newest_remembered")).fetchone()
            sequences: list[int | EventStatus] = [*range(newest - added + 1, newest + 1)]
            self._run_for_all("add_pending", [*zip(sequences, [row.body for row in rows], strict=True)])
        else:
            self._connection.execute("ROLLBACK TO all_new")
        self._connection.execute("RELEASE all_new")
        return sequences if whole else None

    def _append(self, row: _Row, now_s: int) -> int | EventStatus:
        """The sequence of a new event, else what it is."""
        added = self._connection.execute(_sql("remember"), (row.event_id, row.body_hash, now_s))
        if added.rowcount == 1:
            self._connection.execute(_sql("add_pending"), (added.lastrowid, row.body))
            assert added.lastrowid is not None
            return added.lastrowid
        (first_hash,) = self._connection.execute(_sql("recall"), (row.event_id,)).fetchone()
        return EventStatus.DUPLICATE if first_hash == row.body_hash else EventStatus.CONFLICT

    def _remove(self, sequences: Sequence[int]) -> int:
        self._held.drop(sequences)
        return self._run_for_all("remove_pending", [(sequence,) for sequence in sequences])

    def _run_for_all(self, statement: str, rows: Sequence[tuple[object, ...]]) -> int:
        """Runs a statement of one row for many; how many rows it changed.

        Many in one step, for at the end of each this thread waits for its turn with the event loop's.
        """
        changed = begin = 0
        for size in _ROWS_A_STEP:
            while len(rows) - begin >= size:
                values = [*chain.from_iterable(rows[begin : begin + size])]
                changed += self._connection.execute(_sql_for(statement, size), values).rowcount
                begin += size
        return changed

    def _forget(self) -> None:
        forget_before_s = int(self._unix_s()) - self._remember_s
        oldest = self._connection.execute(_sql("oldest_remembered")).fetchone()
        if oldest is not None and oldest[0] < forget_before_s:
            self._connection.execute(_sql("forget"), (forget_before_s, FORGET_ROWS_MAX))

    def _count(
        self, *, accepted: int = 0, stored: int = 0, dead: int = 0, pending: int = 0, decisions: int = 0
    ) -> None:
        self._connection.execute(_sql("move_counts"), (accepted, stored, dead, pending, decisions))

    def _read_counts(self) -> SpoolCounts:
        return SpoolCounts(*self._connection.execute(_sql("read_counts")).fetchone())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            counts = self._read_counts()
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # the error that brought us here is the one to tell
                self._connection.rollback()
            raise
        self.counts = counts


def is_damage(error: BaseException) -> bool:
    """Whether the error says that the file itself is broken, rather than the disk full, slow or read-only."""
    code = getattr(error, "sqlite_errorcode", 0) & _SQLITE_PRIMARY_CODE
    return isinstance(error, SpoolDamagedError) or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def put_aside(path: Path, *, now_s: float) -> Path:
    """Renames a damaged spool, whole, to `<name>.damaged-<time>` beside itself; returns the new path.

    Raises OSError where that fails, or where QUARANTINED_MAX of them lie there already and somebody must look.
    """
    if len(list(path.parent.glob(f"{path.name}.damaged-*[0-9]"))) >= QUARANTINED_MAX:
        raise OSError(f"{QUARANTINED_MAX} damaged spools lie beside {path}: the disk is not to be trusted")
    aside = path.with_name(f"{path.name}.damaged-{int(now_s * 1_000)}")
    for ending in _FILES_OF_A_DATABASE:
        with suppress(FileNotFoundError):
            Path(f"{path}{ending}").rename(f"{aside}{ending}")
    _sync_folder(path.parent)
    return aside


@cache
def _sql_for(name: str, rows: int) -> str:
    """A statement with its row of parameters repeated."""
    return _PARAMETERS.sub(lambda row: ", ".join([row[0]] * rows), _sql(name))


def _encoded(event: Event) -> bytes:
    # The same instant told in another time zone is the same body.
    if event.occurred_at.utcoffset() != timedelta(0):
        event = event.model_copy(update={"occurred_at": event.occurred_at.astimezone(UTC)})
    return event.model_dump_json(exclude_none=True).encode()


def _decoded(body: bytes) -> Event | None:
    try:
        return Event.model_validate_json(body)
    except ValidationError:
        return None


def _sync_folder(folder: Path) -> None:
    # A new file is only there after a power cut if its folder was synced too.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _sql(name: str) -> str:
    return _statements()[name]


@cache
def _statements() -> dict[str, str]:
    text = (files("evershelf.gateway") / "spool.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: *([a-z_]+)$", text, flags=re.MULTILINE)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}
