"""What is no longer kept goes by whole months, and what comes late for it ends among the dead letters."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest

from evershelf.cli.retention import daily
from evershelf.contracts.events import Event
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.shipper import Shipper
from evershelf.gateway.spool import Spool
from evershelf.storage.audit import list_audit
from evershelf.storage.errors import StorageRefused, StorageUnavailable
from evershelf.storage.events import DeadEvent, bury_events, store_events
from evershelf.storage.retention import since, tidy
from evershelf.storage.settings import RetentionSettings

NOW = datetime.now(UTC)
KEEP_TWO = RetentionSettings(retention_events_months=2, retention_decisions_months=1)


def event(age_days: float) -> Event:
    return Event(
        event_id=uuid4(),
        user_id="ann",
        item_id="mug",
        event_type="view_item",
        occurred_at=NOW - timedelta(days=age_days),
    )


async def kept(pool) -> list[datetime]:
    return [row["occurred_at"] for row in await pool.fetch("SELECT occurred_at FROM events ORDER BY 1")]


@pytest.mark.parametrize(
    ("now", "months", "first"),
    [
        (datetime(2026, 3, 31, tzinfo=UTC), 1, datetime(2026, 2, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), 1, datetime(2025, 12, 1, tzinfo=UTC)),
        (datetime(2026, 2, 28, 23, 59, tzinfo=UTC), 26, datetime(2023, 12, 1, tzinfo=UTC)),
    ],
)
def test_months_are_counted_back_from_the_beginning_of_this_one(now, months, first):
    # Promise: at least so many whole months are there at every moment.
    assert since(now, months) == first


async def test_old_months_go_whole_and_the_next_one_is_there(database_url, pool):
    # Promise: everything within the months kept stays, everything before goes, doing it again changes nothing.
    await store_events(pool, [event(age) for age in (0, 1, 100, 130, 400)])
    done = await tidy(database_url, KEEP_TWO, now=NOW, actor="test")
    assert len(done.dropped) == 3
    assert all(at >= since(NOW, 2) for at in await kept(pool))
    assert len(await kept(pool)) == 2
    ahead = f"events_{NOW.replace(day=1) + timedelta(days=32):%Y_%m}"
    assert await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", ahead)
    assert (await tidy(database_url, KEEP_TWO, now=NOW, actor="test")).dropped == ()
    assert [entry.detail["dropped"] for entry in await list_audit(pool)] == [list(done.dropped)]
    assert done.sizes_bytes["events"] > 0


async def test_without_a_setting_all_events_are_kept(database_url, pool):
    # Promise: an imported history of years is not touched by a default.
    await store_events(pool, [event(4_000)])
    assert (await tidy(database_url, RetentionSettings(), now=NOW, actor="test")).dropped == ()
    assert len(await kept(pool)) == 1


async def test_a_late_event_of_a_dropped_month_is_refused_its_neighbours_are_not(database_url, pool):
    # Promise: a month that was dropped does not come back by one late event.
    await tidy(database_url, KEEP_TWO, now=NOW, actor="test")
    with pytest.raises(StorageRefused, match="no longer kept"):
        await store_events(pool, [event(0), event(400)])
    assert (await store_events(pool, [event(0)])).stored == 1


async def test_a_late_event_ends_among_the_dead_letters(database_url, pool, tmp_path):
    # Promise: the shipper buries it with its reason and stores the rest; accepted = stored + dead + pending.
    await tidy(database_url, KEEP_TWO, now=NOW, actor="test")
    settings = GatewaySettings(key_secret="5a" * 32, gateway_data_dir=tmp_path, gateway_ship_attempts_max=1)
    spool = Spool(settings)
    await spool.start()
    try:
        await spool.append([event(0), event(400), event(1)])
        while spool.counts().pending:
            await Shipper(spool, SimpleNamespace(pool=pool), settings).ship_once(pool)
        counts = spool.counts()
    finally:
        await spool.close()
    assert (counts.accepted, counts.stored, counts.dead) == (3, 2, 1)
    assert "no longer kept" in await pool.fetchval("SELECT reason FROM dead_letter_events")


async def test_a_clock_that_is_years_ahead_drops_nothing(database_url, pool):
    # Promise: the database's own clock has the last word on what is old.
    await store_events(pool, [event(0), event(100)])
    with pytest.raises(StorageUnavailable, match="look at the clocks"):
        await tidy(database_url, KEEP_TWO, now=NOW + timedelta(days=2_000), actor="test")
    assert len(await kept(pool)) == 2
    assert (await store_events(pool, [event(200)])).stored == 1


async def test_nothing_goes_without_its_row_in_the_audit_log(database_url, pool):
    # Promise: a month, or a dead letter, is dropped in the transaction that says so.
    await store_events(pool, [event(400)])
    await bury_events(pool, [DeadEvent(uuid4(), "old", "r")])
    await pool.execute("UPDATE dead_letter_events SET received_at = now() - interval '500 days'")
    await pool.execute("ALTER TABLE audit_log ADD CONSTRAINT none CHECK (actor <> 'test')")
    for settings in (KEEP_TWO, RetentionSettings()):
        with pytest.raises(StorageRefused, match="none"):
            await tidy(database_url, settings, now=NOW, actor="test")
    assert len(await kept(pool)) == 1
    assert await pool.fetchval("SELECT count(*) FROM dead_letter_events") == 1


async def test_dead_letters_go_by_when_they_came(database_url, pool):
    # Promise: what nobody looked at for a year goes.
    await bury_events(pool, [DeadEvent(uuid4(), "old", "r"), DeadEvent(uuid4(), "new", "r")])
    await pool.execute("UPDATE dead_letter_events SET received_at = now() - interval '500 days' WHERE body = 'old'")
    assert (await tidy(database_url, RetentionSettings(), now=NOW, actor="test")).dead_letters == 1
    assert await pool.fetchval("SELECT body FROM dead_letter_events") == "new"
    assert [entry.detail["dropped"] for entry in await list_audit(pool, subject="dead_letter_events")] == [1]


def test_the_refresher_tidies_once_a_day():
    # Promise: at once, then after a day, not at every snapshot.
    rounds, clock = [], iter([0.0, 60.0, 86_400.0, 86_400.0])
    keep_house = daily("url", now_s=lambda: next(clock), tidy_up=rounds.append)
    for _ in range(3):
        keep_house()
    assert rounds == ["url", "url"]
