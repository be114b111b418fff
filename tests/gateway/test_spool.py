"""The spool keeps what it has acknowledged, counts it once, and acknowledges nothing else."""

import asyncio
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from evershelf.contracts.events import Event, EventStatus, EventType
from evershelf.gateway.outside import Clock
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.spool import SPOOL_FILE, Spool, SpoolFull, SpoolUnavailable
from evershelf.gateway.spool_file import SpoolCounts, SpoolFile

ACCEPTED, DUPLICATE, CONFLICT = EventStatus.ACCEPTED, EventStatus.DUPLICATE, EventStatus.CONFLICT
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

APPENDER = """
import asyncio, sys, uuid
from pathlib import Path
from evershelf.contracts.events import Event
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.spool import Spool

async def append_for_ever(spool):
    while True:
        event = Event.model_validate({"event_id": uuid.uuid4(), "user_id": "u", "item_id": "i",
                                      "event_type": "view_item", "occurred_at": "2026-03-01T12:00:00Z"})
        await spool.append([event])
        sys.stdout.write(f"{event.event_id}\\n")
        sys.stdout.flush()

async def main():
    spool = Spool(GatewaySettings(key_secret="00" * 32, gateway_data_dir=Path(sys.argv[1])))
    await spool.start()
    await asyncio.gather(*(append_for_ever(spool) for _ in range(16)))

asyncio.run(main())
"""


def event(number: int | None = None, *, item_id: str = "mug", occurred_at: datetime = NOON) -> Event:
    event_id = uuid4() if number is None else UUID(int=number)
    return Event(
        event_id=event_id, user_id="ann", item_id=item_id, event_type=EventType.VIEW_ITEM, occurred_at=occurred_at
    )


@asynccontextmanager
async def opened(folder: Path, **changed):
    clock = changed.pop("clock", None)
    spool = Spool(GatewaySettings(key_secret="00" * 32, gateway_data_dir=folder, **changed), clock=clock)
    await spool.start()
    yield spool
    await spool.close()


@contextmanager
def disk_with_room_for(folder: Path, more_bytes: int) -> Iterator[None]:
    """No file may grow by more than this: the write that crosses the limit comes out short, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(path.stat().st_size for path in folder.iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + more_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_same_event_twice_counts_once_and_other_body_is_told(tmp_path):
    # Same id and body: duplicate. Same id, other body: conflict, and the first one stands.
    async with opened(tmp_path) as spool:
        assert await spool.append([event(1), event(1), event(1, item_id="cup")]) == [ACCEPTED, DUPLICATE, CONFLICT]
        [kept] = await spool.pending(10)
        assert kept.event == event(1)
        assert spool.counts() == SpoolCounts(accepted=1, pending=1)


async def test_same_instant_in_another_zone_is_the_same_body(tmp_path):
    # A body is what it says, not how it was written.
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))
    async with opened(tmp_path) as spool:
        assert await spool.append([event(1), event(1, occurred_at=elsewhere)]) == [ACCEPTED, DUPLICATE]


async def test_ids_outlive_shipping_and_restart(tmp_path):
    # A resend is recognised after its event has left the spool and the process has gone.
    async with opened(tmp_path) as spool:
        await spool.append([event(1), event(2)])
        await spool.shipped([(await spool.pending(1))[0].sequence])
    async with opened(tmp_path) as spool:
        assert await spool.append([event(1), event(2, item_id="cup"), event(3)]) == [DUPLICATE, CONFLICT, ACCEPTED]
        assert spool.counts() == SpoolCounts(accepted=3, stored=1, pending=2)
        assert await spool.pending_events() == [event(2), event(3)]


async def test_ids_are_forgotten_after_their_time_but_never_while_pending(tmp_path):
    # Memory of ids is bounded by gateway_spool_remember_s, but what still waits is never forgotten.
    now_s = 1_000_000.0
    async with opened(tmp_path, gateway_spool_remember_s=60, clock=Clock(unix_s=lambda: now_s)) as spool:
        await spool.append([event(number) for number in (1, 2, 3)])
        first, _, third = await spool.pending(3)
        now_s += 61
        await spool.shipped([first.sequence])
        await spool.shipped([third.sequence])
        assert await spool.append([event(1), event(2), event(3)]) == [ACCEPTED, DUPLICATE, DUPLICATE]


async def test_the_spool_knows_since_when_the_oldest_event_waits(tmp_path):
    # Promise: it is the acceptance of the oldest that still waits, also after a restart; None once all are stored.
    now_s = 1_000_000.0
    clock = Clock(unix_s=lambda: now_s)
    async with opened(tmp_path, clock=clock) as spool:
        for number in (1, 2):
            await spool.append([event(number)])
            now_s += 10
        assert spool.counts().waits_since_s == 1_000_000
        await spool.shipped([(await spool.pending(1))[0].sequence])
        assert spool.counts().waits_since_s == 1_000_010
    async with opened(tmp_path, clock=clock) as spool:
        [second] = await spool.pending(10)
        assert spool.counts().waits_since_s == 1_000_010
        await spool.buried([second.sequence])
        assert spool.counts().waits_since_s is None


async def test_marking_twice_counts_once(tmp_path):
    # A shipper that marks again what it marked before a crash moves no counter.
    async with opened(tmp_path) as spool:
        await spool.append([event(1), event(2)])
        first, second = [each.sequence for each in await spool.pending(2)]
        await spool.shipped([first])
        await spool.shipped([first])
        await spool.buried([first, second])
        assert spool.counts() == SpoolCounts(accepted=2, stored=1, dead=1)


async def test_full_queue_and_full_spool_refuse_at_once(tmp_path):
    # Back-pressure is honest: no room for the disk or for PostgreSQL is said before anything is taken.
    async with opened(tmp_path, gateway_spool_queue_max=3, gateway_spool_events_max=4) as spool:
        with pytest.raises(SpoolFull, match="disk"):
            await spool.append([event() for _ in range(4)])
        await spool.append([event() for _ in range(3)])
        with pytest.raises(SpoolFull, match="PostgreSQL"):
            await spool.append([event(), event()])
        assert spool.counts() == SpoolCounts(accepted=3, pending=3)


async def test_full_disk_acknowledges_nothing_and_recovers(tmp_path):
    # A full disk (short write first) fails all who wait, keeps what was acknowledged, and passes without a restart.
    async with opened(tmp_path) as spool:
        await spool.append([event(1)])
        with disk_with_room_for(tmp_path, 6_000):
            batches = [[event() for _ in range(200)] for _ in range(5)]
            answers = await asyncio.gather(*(spool.append(batch) for batch in batches), return_exceptions=True)
        assert all(isinstance(answer, SpoolUnavailable) for answer in answers)
        assert spool.failures > 0
        assert not spool.available
        assert spool.counts() == SpoolCounts(accepted=1, pending=1)
        assert await spool.append(batches[0]) == [ACCEPTED] * 200
        assert spool.available


async def test_spool_without_a_usable_folder_starts_and_refuses(tmp_path):
    # A gateway starts without its disk: recommendations go on, events are refused, and the disk may come back.
    (tmp_path / "data").write_text("a file where the folder should be")
    async with opened(tmp_path / "data") as spool:
        assert await spool.pending_events() == []
        with pytest.raises(SpoolUnavailable):
            await spool.append([event(1)])
        (tmp_path / "data").unlink()
        assert await spool.append([event(1)]) == [ACCEPTED]


@pytest.mark.parametrize("damage", ["header", "middle"])
async def test_damaged_spool_is_put_aside_whole(tmp_path, damage):
    # What cannot be read is neither trusted nor thrown away, and does not stop new events.
    async with opened(tmp_path) as spool:
        await spool.append([event() for _ in range(2_000)])
    path = tmp_path / SPOOL_FILE
    with path.open("r+b") as file:
        file.seek(0 if damage == "header" else path.stat().st_size // 2)
        file.write(b"\xff" * 8_192)
    async with opened(tmp_path) as spool:
        assert await spool.append([event(1)]) == [ACCEPTED]
        assert spool.quarantined == 1
    [aside] = tmp_path.glob(f"{SPOOL_FILE}.damaged-*")
    assert aside.stat().st_size > 100_000


async def test_close_commits_what_was_handed_over(tmp_path):
    # Closing drains: whoever was waiting gets an answer, and it is true.
    async with opened(tmp_path) as spool:
        waiting = [asyncio.create_task(spool.append([event()])) for _ in range(100)]
        await asyncio.sleep(0)
    assert [await task for task in waiting] == [[ACCEPTED]] * 100
    with pytest.raises(SpoolUnavailable):
        await spool.append([event()])
    file = SpoolFile(tmp_path / SPOOL_FILE, remember_s=60, unix_s=lambda: 0.0)
    assert file.counts.pending == 100
    file.close()


async def test_decisions_wait_for_nobody_and_are_dropped_when_too_many(tmp_path):
    # Decisions are bounded: they are taken without waiting; what is too much, or no JSON, is dropped and counted.
    async with opened(tmp_path) as spool:
        assert spool.append_decision(lambda: orjson.dumps(object()))
        taken = [spool.append_decision(lambda: b"{}") for _ in range(5_000)]
    assert spool.decisions_dropped == taken.count(False) + 1 > 1
    async with opened(tmp_path) as spool:
        waiting = await spool.pending_decisions(10_000)
        assert len(waiting) == taken.count(True)
        await spool.decisions_shipped(waiting[-1].sequence)
        assert spool.counts().decisions == 0


def test_kill_loses_nothing_that_was_acknowledged(tmp_path):
    # kill -9 in the middle of appending: every id that was acknowledged is there afterwards.
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", APPENDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        told = [process.stdout.readline() for _ in range(400)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().splitlines(keepends=True)
        process.wait()
        process.stdout.close()
        acknowledged = {UUID(line.strip()).bytes for line in told if line.endswith("\n")}
        with sqlite3.connect(tmp_path / SPOOL_FILE) as database:
            kept = {row[0] for row in database.execute("SELECT event_id FROM remembered JOIN pending USING (sequence)")}
        database.close()
        assert len(acknowledged) >= 400
        assert acknowledged <= kept


class SpoolAgainstSets(RuleBasedStateMachine):
    """Whatever is done in whatever order, the spool says and holds what four sets would."""

    numbers = st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["mug", "cup"])), min_size=1, max_size=8)

    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.first: dict[int, str] = {}
        self.waiting: list[int] = []
        self.stored = self.dead = 0
        self._open()

    def _open(self):
        self.file = SpoolFile(Path(self.folder.name) / SPOOL_FILE, remember_s=60, unix_s=lambda: 0.0)

    @rule(batch=numbers)
    def append(self, batch):
        [statuses] = self.file.append([[event(number, item_id=item_id) for number, item_id in batch]])
        for (number, item_id), status in zip(batch, statuses, strict=True):
            if number not in self.first:
                self.first[number] = item_id
                self.waiting.append(number)
                assert status is ACCEPTED
            else:
                assert status is (DUPLICATE if self.first[number] == item_id else CONFLICT)

    @rule(count=st.integers(0, 6), bury=st.booleans(), again=st.booleans())
    def take_out(self, count, bury, again):
        sequences = [each.sequence for each in self.file.pending(count)]
        for _ in range(1 + again):
            (self.file.buried if bury else self.file.shipped)(sequences)
        del self.waiting[: len(sequences)]
        self.dead += len(sequences) if bury else 0
        self.stored += 0 if bury else len(sequences)

    @rule()
    def reopen(self):
        self.file.close()
        self._open()

    @invariant()
    def holds_what_the_sets_hold(self):
        if hasattr(self, "file"):
            assert [each.event.event_id.int for each in self.file.pending(100)] == self.waiting
            expected = SpoolCounts(len(self.first), self.stored, self.dead, len(self.waiting))
            assert self.file.counts == expected

    def teardown(self):
        if hasattr(self, "file"):
            self.file.close()
            self.folder.cleanup()


TestSpoolAgainstSets = SpoolAgainstSets.TestCase
TestSpoolAgainstSets.settings = hypothesis_settings(max_examples=40, stateful_step_count=20, deadline=None)
