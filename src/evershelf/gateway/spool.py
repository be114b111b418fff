"""The spool: events are on disk here before their sender hears "accepted", and wait here for PostgreSQL.

SpoolError
|- SpoolFull          too many events wait, for the disk or for PostgreSQL
|- SpoolUnavailable   the disk refused, or did not answer in time
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import structlog

from evershelf.contracts.events import Event, EventStatus
from evershelf.gateway.one_thread import OneThread
from evershelf.gateway.outside import Clock, open_sqlite
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.spool_file import (
    SpoolCounts,
    SpoolDamagedError,
    SpooledDecision,
    SpooledEvent,
    SpoolFile,
    is_damage,
    put_aside,
)

SPOOL_FILE = "spool.sqlite"
APPEND_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 15.0
COMMANDS_MAX = 64
REPLAYED_MAX = 10_000  # a start reads back so many in about 0.1 s
# Decisions are records, not promises: they are written a few times a second, so that they cost events no sync.
DECISION_DELAY_S = 0.25
DECISION_QUEUE_MAX = 4_096
DECISION_COMMIT_MAX = 1_024
DECISIONS_MAX = 100_000

P = ParamSpec("P")
T = TypeVar("T")


class SpoolError(Exception):
    """Base: these events are not acknowledged, none of them. Sending them again is harmless."""


class SpoolFull(SpoolError):  # noqa: N818 - named after the state, which is what callers decide on
    """Too many events wait, for the disk or for PostgreSQL. Send again later."""


class SpoolUnavailable(SpoolError):  # noqa: N818 - named after the state, like its neighbour
    """The disk refused, or did not answer in time. Send again later."""


@dataclass(frozen=True, slots=True)
class _Append:
    events: Sequence[Event]
    answer: "asyncio.Future[list[EventStatus] | SpoolError]"


@dataclass(frozen=True, slots=True)
class _Command:
    run: Callable[[SpoolFile], object]
    answer: "asyncio.Future[object]"  # a SpoolError is an answer too: nobody may be left to catch it


@dataclass(frozen=True, slots=True)
class _Work:
    appends: list[_Append]
    command: _Command | None
    decisions: list[Callable[[], bytes]]


class Spool:
    """Group commit through one writer, which uses the disk on a thread of its own.

    It takes what waits, up to gateway_spool_commit_events_max events, commits it with one sync, and takes what has
    gathered meanwhile: the busier, the larger the groups, and an idle spool makes nobody wait. (Source of the
    idea: DeWitt et al., Implementation Techniques for Main Memory Database Systems, 1984, section 5.2.)
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        clock: Clock | None = None,
        open_sqlite: Callable[[Path], sqlite3.Connection] = open_sqlite,
    ) -> None:
        self.path = settings.gateway_data_dir / SPOOL_FILE
        self._settings = settings
        self._clock = clock or Clock()
        self._open_sqlite = open_sqlite
        self._log = structlog.get_logger()
        self._wake = asyncio.Event()
        self._appends: deque[_Append] = deque()
        self._commands: deque[_Command] = deque()
        self._decisions: deque[Callable[[], bytes]] = deque()
        self._decisions_due_s = 0.0
        self._closing = False
        self._waiting = 0  # events handed over and not yet answered
        self._file: SpoolFile | None = None
        self._counts = SpoolCounts()
        self._thread = OneThread("spool")
        self._writing: asyncio.Task[None] | None = None
        self.available = True  # whether the last use of the disk succeeded
        self.failures = 0
        self.quarantined = 0
        self.decisions_dropped = 0

    async def start(self) -> None:
        """Starts the writer. A disk that is not there fails the appends, not the start."""
        self._loop = asyncio.get_running_loop()
        self._writing = asyncio.create_task(self._write(), name="spool")

    async def close(self) -> None:
        """Commits what was handed over, then closes the file. What comes later is refused."""
        self._closing = True
        self._wake.set()
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=CLOSE_TIMEOUT_S)
            self._writing.cancel()  # if it has not ended, the disk hangs
        self._thread.shutdown()

    async def append(self, events: Sequence[Event]) -> list[EventStatus]:
        """ACCEPTED, DUPLICATE or CONFLICT for each event, only after all of them are on disk.

        Raises SpoolFull at once when there is no room, or SpoolUnavailable; then none of them is acknowledged.
        """
        self._check_room(len(events))
        if self._closing:
            raise SpoolUnavailable("the spool is closing")
        answer: asyncio.Future[list[EventStatus] | SpoolError] = self._loop.create_future()
        self._waiting += len(events)
        self._appends.append(_Append(events, answer))
        self._wake.set()
        return await _answered(answer, APPEND_TIMEOUT_S)

    def append_decision(self, encode: Callable[[], bytes]) -> bool:
        """Takes a decision without waiting; it is encoded and committed within about DECISION_DELAY_S.

        Returns False, and counts, where it had to be dropped.
        """
        waiting = len(self._decisions)
        room = waiting < DECISION_QUEUE_MAX and waiting + self._counts.decisions < DECISIONS_MAX
        if self._closing or not room:
            self.decisions_dropped += 1
            return False
        self._decisions.append(encode)
        if waiting == 0:
            self._wake.set()
        return True

    def counts(self) -> SpoolCounts:
        """As of the last commit; zeros until the file has been opened."""
        return self._counts

    async def pending(self, limit: int) -> list[SpooledEvent]:
        """The oldest events that wait for PostgreSQL. Raises SpoolUnavailable, as do all that follow."""
        return await self._ask(lambda file: file.pending(limit))

    async def pending_events(self, limit: int = REPLAYED_MAX) -> list[Event]:
        """The newest waiting events, in order of acceptance: what memory has to learn again after a restart.

        Empty where the spool cannot be read: a gateway starts without its disk rather than not at all.
        """
        try:
            return await self._ask(lambda file: file.pending_newest(limit))
        except SpoolUnavailable:
            return []

    async def shipped(self, sequences: Sequence[int]) -> None:
        """Marks events as stored in PostgreSQL; their ids stay remembered for gateway_spool_remember_s."""
        await self._ask(lambda file: file.shipped(sequences))

    async def buried(self, sequences: Sequence[int]) -> None:
        """Marks events as lying in PostgreSQL's dead letters."""
        await self._ask(lambda file: file.buried(sequences))

    async def pending_decisions(self, limit: int) -> list[SpooledDecision]:
        """The oldest decisions that wait for PostgreSQL."""
        return await self._ask(lambda file: file.decisions(limit))

    async def decisions_shipped(self, through: int) -> None:
        """Marks the decisions up to this sequence as done with."""
        await self._ask(lambda file: file.decisions_shipped(through))

    async def tidy(self) -> None:
        """Lets nothing that was shipped outlive its shipping in the journal."""
        await self._ask(lambda file: file.tidy())

    def _check_room(self, events: int) -> None:
        if self._waiting + events > self._settings.gateway_spool_queue_max:
            raise SpoolFull(f"{self._waiting} events wait for the disk")
        if self._counts.pending + self._waiting + events > self._settings.gateway_spool_events_max:
            raise SpoolFull(f"{self._counts.pending} events wait for PostgreSQL")

    async def _ask(self, run: Callable[[SpoolFile], T]) -> T:
        if self._closing or len(self._commands) >= COMMANDS_MAX:
            raise SpoolUnavailable("the spool is closing or has too much to do")
        answer: asyncio.Future[object] = self._loop.create_future()
        self._commands.append(_Command(run, answer))
        self._wake.set()
        return cast("T", await _answered(answer, COMMAND_TIMEOUT_S))  # it is answered with what `run` returned

    async def _write(self) -> None:
        await self._on_thread(self._attempt, lambda _: None)  # counts and damage are known before the first event
        while (work := await self._next_work()) is not None:
            if work.appends:
                self._settle(work.appends, await self._on_thread(self._commit, work.appends))
            if work.command is not None:
                outcome = await self._on_thread(self._attempt, work.command.run)
                if not work.command.answer.done():
                    work.command.answer.set_result(outcome)
            if work.decisions:
                self.decisions_dropped += await self._on_thread(self._commit_decisions, work.decisions)
        await self._on_thread(self._close_file)

    async def _on_thread(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return await self._loop.run_in_executor(self._thread, partial(call, *arguments, **named))

    async def _next_work(self) -> _Work | None:
        """What to do next, waiting for it; None when closing and all is done."""
        while not (self._appends or self._commands or self._closing or self._decisions_are_due()):
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(DECISION_DELAY_S if self._decisions else None):
                    await self._wake.wait()
        command = self._commands.popleft() if self._commands else None
        work = _Work(self._take_appends(), command, self._take_decisions())
        return work if work.appends or work.command or work.decisions or not self._closing else None

    def _take_appends(self) -> list[_Append]:
        taken: list[_Append] = []
        events = 0
        while self._appends:
            events += len(self._appends[0].events)
            if taken and events > self._settings.gateway_spool_commit_events_max:
                break
            taken.append(self._appends.popleft())
        return taken

    def _decisions_are_due(self) -> bool:
        waiting = len(self._decisions)
        return waiting > 0 and (self._clock.monotonic_s() >= self._decisions_due_s or waiting >= DECISION_COMMIT_MAX)

    def _take_decisions(self) -> list[Callable[[], bytes]]:
        if not self._decisions or not (self._closing or self._decisions_are_due()):
            return []
        self._decisions_due_s = self._clock.monotonic_s() + DECISION_DELAY_S
        return [self._decisions.popleft() for _ in range(min(len(self._decisions), DECISION_COMMIT_MAX))]

    def _settle(self, appends: list[_Append], answers: "list[list[EventStatus] | SpoolError]") -> None:
        for append, answer in zip(appends, answers, strict=True):
            self._waiting -= len(append.events)
            if not append.answer.done():
                append.answer.set_result(answer)

    # From here on: the thread -------------------------------------------------------------------------------------

    def _commit(self, appends: list[_Append]) -> "list[list[EventStatus] | SpoolError]":
        outcome = self._attempt(lambda file: file.append([append.events for append in appends]))
        return [outcome] * len(appends) if isinstance(outcome, SpoolError) else [*outcome]

    def _commit_decisions(self, encoders: list[Callable[[], bytes]]) -> int:
        """Commits what can be encoded; returns how many could not be kept."""
        bodies = []
        for encode in encoders:
            with suppress(TypeError):  # what cannot be told as JSON is dropped, and counted
                bodies.append(encode())
        outcome = self._attempt(lambda file: file.append_decisions(bodies))
        return len(encoders) - (0 if isinstance(outcome, SpoolError) else len(bodies))

    def _attempt(self, run: Callable[[SpoolFile], T]) -> T | SpoolUnavailable:
        # The boundary to a source that can fail in any way: a disk. Whatever comes, the file is opened anew.
        try:
            if self._file is None:
                self._file = self._open()
            outcome = run(self._file)
            self._counts = self._file.counts
        except Exception as error:  # noqa: BLE001 - see above; it is counted, told, and answered to all who wait
            self._fail(error)
            return SpoolUnavailable(f"{type(error).__name__}: {error}")
        self.available = True
        return outcome

    def _open(self) -> SpoolFile:
        try:
            return self._open_file()
        except SpoolDamagedError as error:
            aside = put_aside(self.path, now_s=self._clock.unix_s())
            self.quarantined += 1
            self._log.error("spool_quarantined", aside=str(aside), error=str(error))
            return self._open_file()

    def _open_file(self) -> SpoolFile:
        return SpoolFile(
            self.path,
            remember_s=self._settings.gateway_spool_remember_s,
            unix_s=self._clock.unix_s,
            connect=self._open_sqlite,
        )

    def _fail(self, error: Exception) -> None:
        self.failures += 1
        if self.available:
            self._log.error("spool_failed", error=f"{type(error).__name__}: {error}")
        self.available = False
        self._close_file()
        if is_damage(error):
            self._put_aside(error)

    def _put_aside(self, error: Exception) -> None:
        # Damage that showed itself in use: the check at opening may not find it, so the file goes at once.
        try:
            aside = put_aside(self.path, now_s=self._clock.unix_s())
        except OSError as other:
            self._log.error("spool_failed", error=str(other))
            return
        self.quarantined += 1
        self._log.error("spool_quarantined", aside=str(aside), error=str(error))

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except Exception as error:  # noqa: BLE001 - the same boundary: a failing disk may fail at closing too
                self._log.warning("spool_close_failed", error=str(error))


async def _answered(answer: "asyncio.Future[T | SpoolError]", timeout_s: float) -> T:
    # A disk may never answer. The work stays in the queue's count until it does.
    await asyncio.wait({answer}, timeout=timeout_s)
    if not answer.done():
        answer.cancel()
        raise SpoolUnavailable(f"the disk gave no answer within {timeout_s:g} s")
    outcome = answer.result()
    if isinstance(outcome, SpoolError):
        raise outcome
    return outcome
