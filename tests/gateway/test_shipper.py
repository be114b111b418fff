"""The shipper moves every event to PostgreSQL once, whatever fails meanwhile, and lets none stand in the way."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

import pytest

from evershelf.contracts.events import Event, EventType
from evershelf.gateway.decisions import DecisionLog
from evershelf.gateway.outside import Outside
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.shipper import Shipper
from evershelf.gateway.spool import Spool
from evershelf.gateway.spool_file import SpoolCounts
from evershelf.storage.decisions import get_decision
from evershelf.storage.erasures import erase_user
from evershelf.storage.errors import StorageUnavailable
from evershelf.storage.events import count_events, store_events
from evershelf.storage.postgres import open_pool
from tests.gateway.test_decisions import ONE

NOW = datetime.now(UTC)
NEVER_STORED = datetime(1980, 1, 1, tzinfo=UTC)  # storage refuses such times


class FakeDatabaseLink:
    """A link that is away until `connect`."""

    def __init__(self, pool=None):
        self.pool = pool
        self._connected = asyncio.Event()
        if pool is not None:
            self._connected.set()

    def connect(self, pool):
        self.pool = pool
        self._connected.set()

    async def wait_connected(self):
        await self._connected.wait()


class SameChance(Random):
    """Chance that makes every wait short."""

    def random(self) -> float:
        return 0.1


def event(*, occurred_at=NOW, item_id="mug", event_id=None) -> Event:
    return Event(
        event_id=event_id or uuid4(),
        user_id="ann",
        item_id=item_id,
        event_type=EventType.VIEW_ITEM,
        occurred_at=occurred_at,
    )


@asynccontextmanager
async def shipping(folder, database, **changed):
    settings = GatewaySettings(key_secret="00" * 32, gateway_data_dir=folder, **changed)
    spool = Spool(settings)
    shipper = Shipper(spool, database, settings, outside=Outside(random=SameChance()))
    await spool.start()
    yield spool, shipper
    await shipper.close()
    await spool.close()


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another thread
            await asyncio.sleep(0.02)


async def test_events_taken_while_the_database_is_away_arrive_once_it_is_back(tmp_path, pool):
    # PostgreSQL being away delays events and loses none.
    database = FakeDatabaseLink()
    async with shipping(tmp_path, database, gateway_ship_batch_max=100) as (spool, shipper):
        await shipper.start()
        await spool.append([event() for _ in range(250)])
        await asyncio.sleep(0.05)
        assert spool.counts().pending == 250
        database.connect(pool)
        await until(lambda: spool.counts().pending == 0)
        assert spool.counts() == SpoolCounts(accepted=250, stored=250)
    assert (await count_events(pool)).stored == 250


async def test_failing_database_is_tried_again_as_soon_as_it_answers(tmp_path, database_url, pool):
    # "Away, then back" ends a long back-off at once.
    closed = await open_pool(database_url)
    await closed.close()
    database = FakeDatabaseLink(closed)
    async with shipping(tmp_path, database, gateway_ship_backoff_s_max=10_000) as (spool, shipper):
        shipper.failures_in_a_row = 30  # as after a long outage: the next wait would be a quarter of an hour
        await spool.append([event()])
        await shipper.start()
        await until(lambda: shipper.failures_in_a_row == 31)
        database.connect(pool)
        await until(lambda: spool.counts().stored == 1)
        assert shipper.last_error is None or shipper.failures_in_a_row == 31


async def test_batch_sent_twice_is_stored_once(tmp_path, pool):
    # A crash between storing and marking sends the batch again; it counts once on both sides.
    async with shipping(tmp_path, FakeDatabaseLink(pool)) as (spool, shipper):
        events = [event() for _ in range(10)]
        await spool.append(events)
        await store_events(pool, events)
        assert await shipper.ship_once(pool) == 10
        assert spool.counts() == SpoolCounts(accepted=10, stored=10)
    assert (await count_events(pool)).stored == 10


async def test_poison_is_isolated_and_buried_with_its_reason(tmp_path, pool):
    # What PostgreSQL refuses goes to dead letters after its attempts, and its neighbours do not wait for it.
    async with shipping(tmp_path, FakeDatabaseLink(pool), gateway_ship_attempts_max=3) as (spool, shipper):
        batch = [event() for _ in range(60)]
        batch[7:7] = [event(occurred_at=NEVER_STORED)]
        batch[40:40] = [event(occurred_at=NEVER_STORED)]
        await spool.append(batch)
        assert await shipper.ship_once(pool) == 60
        assert spool.counts() == SpoolCounts(accepted=62, stored=60, pending=2)
        await shipper.start()
        await until(lambda: spool.counts().pending == 0)
        assert spool.counts() == SpoolCounts(accepted=62, stored=60, dead=2)
    letters = await pool.fetch("SELECT reason, attempts FROM dead_letter_events")
    assert [(letter["attempts"], "1990" in letter["reason"]) for letter in letters] == [(3, True)] * 2


async def test_conflict_in_the_database_is_buried_not_lost(tmp_path, pool):
    # An id that another gateway has stored with another body: the first stands, ours is kept as a dead letter.
    first = event()
    await store_events(pool, [first])
    async with shipping(tmp_path, FakeDatabaseLink(pool)) as (spool, shipper):
        await spool.append([event(event_id=first.event_id, item_id="cup"), event()])
        assert await shipper.ship_once(pool) == 2
        assert spool.counts() == SpoolCounts(accepted=2, stored=1, dead=1)
    assert (await pool.fetchval("SELECT reason FROM dead_letter_events")).startswith("conflict")


async def test_an_erased_person_does_not_come_back_through_dead_letters(tmp_path, pool):
    # Promise (G27): what PostgreSQL refuses, or nobody can read, of somebody who was erased is buried without its body.
    path = tmp_path / "spool.sqlite"
    async with shipping(tmp_path, FakeDatabaseLink(pool), gateway_ship_attempts_max=1) as (spool, shipper):
        await spool.append([event(occurred_at=NEVER_STORED), event(), event(occurred_at=NEVER_STORED, item_id="cup")])
        with closing(sqlite3.connect(path)) as file, file:
            # As another version might have written it.
            file.execute('UPDATE pending SET body = CAST(replace(body, \'"item_id":"cup"\', \'"of":2\') AS BLOB)')
    async with shipping(tmp_path, FakeDatabaseLink(pool), gateway_ship_attempts_max=1) as (spool, shipper):
        await erase_user(pool, "ann", actor="test")
        while spool.counts().pending:
            await shipper.ship_once(pool)
        assert spool.counts() == SpoolCounts(accepted=3, stored=1, dead=2)
    letters = await pool.fetch("SELECT body, reason FROM dead_letter_events ORDER BY reason DESC")
    assert [letter["body"] for letter in letters] == ["", ""]
    assert [letter["reason"].split()[0] for letter in letters] == ["unreadable:", "occurred_at"]


async def test_failure_marks_nothing(tmp_path, database_url):
    # What is not in PostgreSQL stays in the spool.
    closed = await open_pool(database_url)
    await closed.close()
    async with shipping(tmp_path, FakeDatabaseLink(closed)) as (spool, shipper):
        await spool.append([event()])
        with pytest.raises(StorageUnavailable):
            await shipper.ship_once(closed)
        assert spool.counts() == SpoolCounts(accepted=1, pending=1)


def decided(at):
    record = {"attempts": [{"source": "popular", "items": 2}]}
    return replace(ONE, recommendation_id=uuid4(), decided_at=at, item_ids=("mug", "cup"), record=record)


async def test_decisions_reach_the_database(tmp_path, pool):
    # A recorded decision can be asked for in PostgreSQL, as it was.
    async with shipping(tmp_path, FakeDatabaseLink(pool)) as (spool, shipper):
        decision = decided(NOW - timedelta(seconds=1))
        DecisionLog(GatewaySettings(key_secret="00" * 32), spool).record(decision)
        await until(lambda: spool.counts().decisions == 1)
        assert await shipper.ship_once(pool) == 1
        assert spool.counts().decisions == 0
    assert await get_decision(pool, decision.recommendation_id) == decision


async def test_first_decision_of_a_month_makes_its_place(tmp_path, pool):
    # A decision of a month that PostgreSQL has no room for yet, as after a long outage, arrives all the same.
    async with shipping(tmp_path, FakeDatabaseLink(pool)) as (spool, shipper):
        old = [decided(datetime(2021, month, 1, tzinfo=UTC)) for month in (3, 7)]
        for each in old:
            DecisionLog(GatewaySettings(key_secret="00" * 32), spool).record(each)
        await until(lambda: spool.counts().decisions == 2)
        assert await shipper.ship_once(pool) == 2
    assert [await get_decision(pool, each.recommendation_id) for each in old] == old
    assert shipper.decisions_lost == 0


async def test_a_decision_that_cannot_be_stored_costs_no_other(tmp_path, pool):
    # What PostgreSQL refuses, or nobody can read, is counted as lost; its neighbours arrive.
    async with shipping(tmp_path, FakeDatabaseLink(pool)) as (spool, shipper):
        good, bad = decided(NOW), decided(NOW)
        DecisionLog(GatewaySettings(key_secret="00" * 32), spool).record(good)
        DecisionLog(GatewaySettings(key_secret="00" * 32), spool).record(replace(bad, placement=None))
        spool.append_decision(lambda: b"torn \xff")
        await until(lambda: spool.counts().decisions == 3)
        assert await shipper.ship_once(pool) == 3
    assert await get_decision(pool, good.recommendation_id) == good
    assert shipper.decisions_lost == 2
