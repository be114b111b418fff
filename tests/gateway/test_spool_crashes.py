"""The spool among crashes: killed before or after any statement, it holds all of a change or nothing of it."""

import sqlite3
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from evershelf.contracts.events import Event, EventStatus, EventType
from evershelf.gateway.spool_file import SpoolCounts, SpoolFile

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BATCHES = st.lists(st.tuples(st.integers(1, 10), st.sampled_from(["mug", "cup"])), min_size=1, max_size=6)
# Which statement of a change the process does not live through, and whether that one was carried out; none: it lives.
CRASHES = st.none() | st.tuples(st.integers(0, 24), st.booleans())


class Killed(BaseException):
    """The process ends here."""


class MortalConnection(sqlite3.Connection):
    """Ends the process at the statement it is told."""

    left: int | None = None
    carried_out = False

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        return self._step(lambda: super(MortalConnection, self).execute(statement, parameters))

    def executemany(self, statement: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        return self._step(lambda: super(MortalConnection, self).executemany(statement, rows))

    def _step(self, run):
        if self.left is None:
            return run()
        self.left -= 1
        if self.left >= 0:
            return run()
        if self.carried_out:
            run()
        raise Killed


@dataclass(frozen=True)
class Held:
    """What the spool has to hold."""

    first: tuple[tuple[int, str], ...] = ()
    waiting: tuple[int, ...] = ()
    stored: int = 0
    dead: int = 0

    def counts(self) -> SpoolCounts:
        return SpoolCounts(len(self.first), self.stored, self.dead, len(self.waiting))


class SpoolAmongCrashes(RuleBasedStateMachine):
    """Every change is whole or has not happened, wherever the process was killed; what was answered has happened."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.held = Held()
        self._open()

    def _open(self):
        self.connection = sqlite3.connect(
            Path(self.folder.name) / "spool.sqlite", isolation_level=None, factory=MortalConnection
        )
        path = Path(self.folder.name) / "spool.sqlite"
        self.file = SpoolFile(path, remember_s=60, unix_s=lambda: 0.0, connect=lambda _: self.connection)

    def _change(self, change, after: Held, crash):
        """Carries out a change that leads to `after`, if the process lives; else finds out which of the two it is."""
        if crash is not None:
            self.connection.left, self.connection.carried_out = crash
        try:
            answer = change()
        except Killed:
            self.connection.left = None
            self.connection.close()  # what the system does with a process's files; an open transaction is gone
            self._open()
            self.held = after if self.file.counts == after.counts() else self.held
            return None
        self.connection.left = None
        self.held = after
        return answer

    @rule(batch=BATCHES, crash=CRASHES)
    def append(self, batch, crash):
        known, waiting, expected = dict(self.held.first), list(self.held.waiting), []
        for number, item_id in batch:
            if number in known:
                expected.append(EventStatus.DUPLICATE if known[number] == item_id else EventStatus.CONFLICT)
            else:
                known[number] = item_id
                waiting.append(number)
                expected.append(EventStatus.ACCEPTED)
        after = replace(self.held, first=tuple(known.items()), waiting=tuple(waiting))
        events = [event(number, item_id) for number, item_id in batch]
        answer = self._change(lambda: self.file.append([events]), after, crash)
        assert answer in (None, [expected])

    @rule(count=st.integers(1, 5), bury=st.booleans(), crash=CRASHES)
    def take_out(self, count, bury, crash):
        sequences = [each.sequence for each in self.file.pending(count)]
        left = len(sequences)
        after = replace(
            self.held,
            waiting=self.held.waiting[left:],
            stored=self.held.stored + (0 if bury else left),
            dead=self.held.dead + (left if bury else 0),
        )
        self._change(lambda: (self.file.buried if bury else self.file.shipped)(sequences), after, crash)

    @invariant()
    def holds_what_it_has_to(self):
        if hasattr(self, "file"):
            assert self.file.counts == self.held.counts()
            assert [each.event.event_id.int for each in self.file.pending(100)] == list(self.held.waiting)

    def teardown(self):
        if hasattr(self, "file"):
            self.file.close()
            self.folder.cleanup()


def event(number: int, item_id: str) -> Event:
    return Event(
        event_id=UUID(int=number), user_id="ann", item_id=item_id, event_type=EventType.VIEW_ITEM, occurred_at=NOON
    )


TestSpoolAmongCrashes = SpoolAmongCrashes.TestCase
TestSpoolAmongCrashes.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
