"""The spool's file among many rows, several processes and files put aside: what it says waits is what waits."""

import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from evershelf.contracts.events import Event, EventStatus, EventType
from evershelf.gateway import spool_file
from evershelf.gateway.spool_file import SpoolFile

ACCEPTED, DUPLICATE = EventStatus.ACCEPTED, EventStatus.DUPLICATE
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(number: int) -> Event:
    return Event(event_id=UUID(int=number), user_id=f"user-{number}", item_id="mug", event_type=EventType.VIEW_ITEM,
                 occurred_at=NOON)  # fmt: skip


def events(*numbers: int) -> list[Event]:
    return [event(number) for number in numbers]


def opened(path: Path) -> SpoolFile:
    return SpoolFile(path, remember_s=3_600, unix_s=time.time)


def told(file: SpoolFile) -> list[int]:
    """The numbers of the events that it says are waiting."""
    return [each.event.event_id.int for each in file.pending(10_000) if each.event is not None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite"


@pytest.fixture
def file(path: Path) -> Iterator[SpoolFile]:
    file = opened(path)
    yield file
    file.close()


@pytest.mark.parametrize("held_max", [5_000, 10], ids=["held in memory", "read from the file"])
def test_many_events_wait_in_their_order_whole(file, path, monkeypatch, held_max):
    # Promise: however many rows a statement takes, each event waits once, in order, as told; shipping takes just those.
    monkeypatch.setattr(spool_file, "HELD_EVENTS_MAX", held_max)
    assert file.append([events(*range(1, 101)), events(*range(101, 352))]) == [[ACCEPTED] * 100, [ACCEPTED] * 251]
    waiting = file.pending(10_000)
    assert [each.event for each in waiting] == events(*range(1, 352))
    with sqlite3.connect(path) as other:
        rows = other.execute("SELECT sequence, body FROM pending ORDER BY sequence").fetchall()
        ids = other.execute("SELECT sequence, event_id FROM remembered ORDER BY sequence").fetchall()
    other.close()
    assert rows == [(each.sequence, each.body) for each in waiting]
    assert ids == [(each.sequence, each.event.event_id.bytes) for each in waiting]
    file.shipped([each.sequence for each in waiting[:300]])
    assert told(file) == [*range(301, 352)]
    assert (file.counts.stored, file.counts.pending) == (300, 51)


def test_a_known_event_among_many_costs_the_others_nothing(file):
    # Promise: where one id was there before, each is judged by itself, as if it had come alone.
    file.append([events(7)])
    assert file.append([events(*range(5, 30))]) == [[ACCEPTED, ACCEPTED, DUPLICATE, *[ACCEPTED] * 22]]
    assert told(file) == [7, 5, 6, *range(8, 30)]


def test_two_processes_at_one_file_ship_everything(path):
    # Promise: while one gateway replaces the other, nothing stays behind, and nothing is counted twice.
    old, new = opened(path), opened(path)
    new.append([events(1)])
    old.shipped([each.sequence for each in old.pending(10)] or [new.pending(1)[0].sequence])
    old.append([events(2)])
    for _ in range(3):
        new.shipped([each.sequence for each in new.pending(10)])
        new.append([[]])
    assert (new.counts.accepted, new.counts.stored, new.counts.pending) == (2, 2, 0)
    old.close()
    new.close()


def test_what_was_read_from_a_file_put_aside_marks_nothing_in_the_next(path):
    # Promise: an event acknowledged into a new file is not taken for the one that had its place in the old one.
    before = opened(path)
    before.append([events(1, 2, 3)])
    before.append_decisions([b"{}", b"{}"])
    shipped, decisions = before.pending(10), before.decisions(10)
    before.close()
    path.rename(path.with_suffix(".aside"))
    after = opened(path)
    after.append([events(4, 5, 6)])
    after.append_decisions([b"{}", b"{}"])
    after.shipped([each.sequence for each in shipped])
    after.decisions_shipped(decisions[-1].sequence)
    assert told(after) == [4, 5, 6]
    assert (after.counts.pending, after.counts.stored, after.counts.decisions) == (3, 0, 2)
    after.close()


def test_decisions_leave_up_to_the_one_that_is_named(file):
    # Promise: what was appended after the batch that was shipped stays.
    file.append_decisions([b"1", b"2", b"3"])
    file.decisions_shipped(file.decisions(2)[-1].sequence)
    assert [each.body for each in file.decisions(10)] == [b"3"]
    assert file.counts.decisions == 1
