"""An event counts once however often it is sent; what the database refuses can be found and buried."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from evershelf.contracts.events import Event, EventType
from evershelf.storage.erasures import erase_user
from evershelf.storage.errors import StorageRefused
from evershelf.storage.events import (
    DeadEvent,
    EventCounts,
    StoreReport,
    bury_events,
    count_events,
    ensure_partitions,
    store_events,
    write_events,
)
from evershelf.storage.history import read_histories
from evershelf.storage.postgres import Pool, reading, transaction
from evershelf.storage.queries import sql

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)


def event(event_id: UUID | None = None, **changes: object) -> Event:
    given = {"user_id": "u", "item_id": "i", "event_type": EventType.VIEW_ITEM, "occurred_at": NOON}
    return Event.model_validate({"event_id": event_id or uuid4(), **given, **changes})


async def test_a_batch_sent_twice_counts_once(pool: Pool):
    # Promise G10: storing again stores nothing and says so.
    batch = [event(value=1.5, placement="home", recommendation_id=uuid4()) for _ in range(50)]
    assert await store_events(pool, batch) == StoreReport(50, 0, 0)
    assert await store_events(pool, batch) == StoreReport(0, 50, 0)
    assert await count_events(pool) == EventCounts(stored=50, duplicates=50, conflicts=0, dead=0)
    assert await pool.fetchval("SELECT count(*) FROM events") == 50


async def test_many_senders_of_one_batch_store_it_once(pool: Pool):
    # Promise G10: the same, with all senders at the same moment.
    batch = [event() for _ in range(20)]
    reports = await asyncio.gather(*(store_events(pool, batch) for _ in range(6)))
    assert sorted(report.stored for report in reports) == [0, 0, 0, 0, 0, 20]
    assert await count_events(pool) == EventCounts(20, 100, 0, 0)


@pytest.mark.parametrize(
    "changes", [{"item_id": "other"}, {"occurred_at": NOON + timedelta(days=6)}, {"value": 2}, {"user_id": "v"}]
)
async def test_the_same_id_with_another_body_is_a_conflict(pool: Pool, changes):
    # Promise G10: the first one stands, the second is reported; across a change of month, too.
    first = event()
    await store_events(pool, [first])
    report = await store_events(pool, [event(first.event_id, **changes), event()])
    assert report == StoreReport(1, 0, 1, (first.event_id,))
    assert await pool.fetchval("SELECT item_id FROM events WHERE event_id = $1", first.event_id) == "i"
    assert (await count_events(pool)).conflicts == 1


async def test_within_one_batch_the_first_wins(pool: Pool):
    # Promise: repetition inside a batch is told apart the same way.
    first = event()
    batch = [first, first, event(first.event_id, item_id="other")]
    assert await store_events(pool, batch) == StoreReport(1, 1, 1, (first.event_id,))
    assert await pool.fetchval("SELECT item_id FROM events") == "i"


async def test_after_the_window_an_id_is_new(pool: Pool):
    # Promise: the window is seven days of occurred_at and not a moment more.
    first = event()
    later = event(first.event_id, occurred_at=NOON + timedelta(days=7, microseconds=1))
    await store_events(pool, [first])
    assert await store_events(pool, [later]) == StoreReport(1, 0, 0)


async def test_a_poisonous_event_is_refused_and_its_neighbours_stay_out_too(pool: Pool):
    # Promise G11: refusal is another error than unavailability, and a refused batch leaves nothing behind.
    poison = event(item_id="i").model_copy(update={"item_id": "nul\x00"})
    with pytest.raises(StorageRefused):
        await store_events(pool, [event(), poison])
    for occurred_at in (datetime(1600, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=400)):
        with pytest.raises(StorageRefused):
            await store_events(pool, [event(), event(occurred_at=occurred_at)])
    assert await count_events(pool) == EventCounts(0, 0, 0, 0)


async def test_anything_can_be_buried_once(pool: Pool):
    # Promise G11: a dead letter keeps its reason, whatever its bytes; burying again counts nothing.
    dead = [
        DeadEvent(uuid4(), "nul \x00 and half a pair \ud800", "refused"),
        DeadEvent(None, "{not json", "malformed"),
    ]
    assert await bury_events(pool, dead) == 2
    assert await bury_events(pool, dead[:1]) == 0
    assert (await count_events(pool)).dead == 2


async def test_what_was_erased_is_buried_empty(pool: Pool):
    # Promise G27: whoever was erased leaves no dead letter with their id, by whatever name and time; others do.
    await store_events(pool, [event(user_id='a"n\\n'), event(user_id='a"n\\n', session_id="tab")])
    await erase_user(pool, 'a"n\\n', actor="test")
    now = datetime.now(UTC)
    bodies = [
        (event(user_id='a"n\\n').model_dump_json(), NOON),
        (event(user_id=None, session_id="tab").model_dump_json(), NOON),
        ('{"user": "a\\"n\\\\n", not json', None),
        (event(user_id='a"n\\n').model_dump_json(), now + timedelta(hours=1)),  # came back
        (event(user_id="bob").model_dump_json(), NOON),
        ("{not json", None),
    ]
    dead = [DeadEvent(None, body, "refused", occurred_at=occurred_at) for body, occurred_at in bodies]
    assert await bury_events(pool, dead) == len(dead) == (await count_events(pool)).dead
    rows = await pool.fetch("SELECT body, reason FROM dead_letter_events ORDER BY dead_letter_id")
    assert [row["body"] for row in rows] == ["", "", "", *(body for body, _ in bodies[3:])]
    assert {row["reason"] for row in rows} == {"refused"}


async def test_who_is_erased_while_a_letter_is_buried_is_not_kept(pool: Pool):
    # Promise G27: burying waits for an erasure that is under way, and then knows of it.
    dead = DeadEvent(uuid4(), event().model_dump_json(), "refused", occurred_at=NOON)
    async with transaction(pool) as erasing:
        await erasing.execute(sql("erasures.take_turn"))
        burying = asyncio.create_task(bury_events(pool, [dead]))
        done, _ = await asyncio.wait({burying}, timeout=0.2)
        assert not done
        await erasing.execute(sql("erasures.record"), uuid4(), "u", [], datetime.now(UTC))
    assert await burying == 1
    assert await pool.fetchval("SELECT body FROM dead_letter_events") == ""


async def test_no_events_are_no_work(pool: Pool):
    # Promise: an empty batch is answered without a question.
    assert await store_events(pool, []) == StoreReport(0, 0, 0)


async def test_history_is_newest_first_and_holds_interactions_only(pool: Pool):
    # Promise: impressions and removals are no history; each user's own and each session's are, in one query.
    def at(minute: int, **changes: object) -> Event:
        return event(item_id=f"i{minute}", occurred_at=NOON + timedelta(minutes=minute), **changes)

    await store_events(
        pool,
        [
            at(1),
            at(2, event_type="view_item_list"),
            at(3, event_type="purchase", session_id="s"),
            at(4, user_id=None, session_id="s"),
            at(5, user_id="somebody-else", session_id="s"),
            at(60 * 24 * 3),
        ],
    )
    histories = await read_histories(pool, ["u", "nobody"], ["s", "s"], 2)
    found = {(each.user_id, each.session_id): each.interactions for each in histories}
    assert [item_id for item_id, _, _ in found["u", None]] == ["i4320", "i3"]
    assert [item_id for item_id, _, _ in found[None, "s"]] == ["i5", "i4"]
    assert found["nobody", None] == ()
    assert found["u", None][1] == ("i3", EventType.PURCHASE, (NOON + timedelta(minutes=3)).timestamp())


async def test_two_senders_of_one_id_cannot_both_be_first(pool: Pool):
    # Promise G10: the second waits for the first to commit, and then finds the conflict; the table's key alone, which
    # holds occurred_at as well, would let both in.
    first = event()
    async with reading(pool) as connection:
        await ensure_partitions(connection, [first])
    async with transaction(pool) as slow:
        await write_events(slow, [first])
        second = asyncio.create_task(store_events(pool, [event(first.event_id, occurred_at=NOON - timedelta(hours=1))]))
        for _ in range(50):
            if await pool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                break
            await asyncio.sleep(0.01)
    assert await second == StoreReport(0, 0, 1, (first.event_id,))
