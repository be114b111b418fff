"""Histories: an accepted event is known at once, reading is shared, memory is bounded."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest

from evershelf.contracts.events import Event, EventType
from evershelf.gateway.history import ENTRIES_A_USER, STALE_AGES_MAX, HistoryCache, HistoryUnavailable
from evershelf.gateway.history_reader import QUERIES_MAX, READS_MAX
from evershelf.gateway.outside import Clock
from evershelf.gateway.settings import GatewaySettings
from evershelf.storage.events import store_events

WITHIN_MS = 20_000.0
START = datetime(2026, 3, 1, tzinfo=UTC)


def event(item_id, minute=0, *, user_id="ann", session_id=None, event_type=EventType.VIEW_ITEM) -> Event:
    return Event(
        event_id=uuid4(),
        user_id=user_id,
        session_id=session_id,
        item_id=item_id,
        event_type=event_type,
        occurred_at=START + timedelta(minutes=minute),
    )


def cache_on(pool=None, clock_s=lambda: 0.0, **changed) -> HistoryCache:
    settings = GatewaySettings(key_secret="00" * 32, **changed)
    return HistoryCache(settings, SimpleNamespace(pool=pool), clock=Clock(monotonic_s=clock_s))


def items(entries) -> list[str]:
    return [entry.item_id for entry in entries]


def test_accepted_interactions_are_known_at_once_newest_first():
    # The next answer knows what was accepted, in order of occurrence; impressions and removals are no interest.
    cache = cache_on()
    cache.replay([event("a", 1), event("c", 3), event("b", 2)])
    cache.remember(event("x", 4, event_type=EventType.VIEW_ITEM_LIST))
    cache.remember(event("y", 4, event_type=EventType.REMOVE_FROM_CART))
    assert items(cache.cached("ann", None)) == ["c", "b", "a"]
    assert not cache.complete("ann", None)
    assert cache.cached(None, None) == cache.cached("bob", "s") == ()


def test_user_and_session_merge_without_doubles():
    # An event of both is told once; the session's own past is added.
    cache = cache_on()
    cache.replay([event("a", 1, user_id=None, session_id="s"), event("b", 2, session_id="s"), event("c", 3)])
    assert items(cache.cached("ann", "s")) == ["c", "b", "a"]
    assert items(cache.cached(None, "s")) == ["b", "a"]


def test_bounds_hold_and_the_least_used_goes_first():
    # Users, and entries a user, are bounded; whoever was asked about last stays.
    cache = cache_on(gateway_history_users_max=3, gateway_history_interactions_max=5)
    for minute in range(8):
        cache.remember(event(f"i{minute}", minute))
    assert items(cache.cached("ann", None)) == ["i7", "i6", "i5", "i4", "i3"]
    for user_id in ("bob", "cid", "dan"):
        cache.cached("ann", None)
        cache.remember(event("x", user_id=user_id))
    assert len(cache) == 3
    assert cache.cached("bob", None) == ()
    assert len(cache.cached("ann", None)) == 5


def test_long_histories_of_all_do_not_outgrow_memory():
    # Entries altogether are bounded too, at ENTRIES_A_USER for each user on average.
    cache = cache_on(gateway_history_users_max=10, gateway_history_interactions_max=100)
    for minute in range(100):
        for user in range(10):
            cache.remember(event(f"i{minute}", minute, user_id=f"u{user}"))
    kept = sum(len(cache.cached(f"u{user}", None)) for user in range(10))
    assert 100 <= kept <= 10 * ENTRIES_A_USER


async def test_load_adds_what_the_database_knows(pool):
    # Rows and accepted events together, each once; afterwards the history is complete without I/O.
    stored = [event("a", 1), event("b", 2), event("z", 5, user_id="bob")]
    await store_events(pool, stored)
    cache = cache_on(pool)
    cache.replay([stored[1], event("c", 3)])
    assert items(await cache.load("ann", None, within_ms=WITHIN_MS)) == ["c", "b", "a"]
    assert cache.complete("ann", None)
    assert items(cache.cached("ann", None)) == ["c", "b", "a"]


async def test_history_grows_old_and_erasure_is_seen(pool):
    # After gateway_history_age_s_max it is read anew, and what is gone from the database goes from memory.
    now_s = 0.0
    cache = cache_on(pool, lambda: now_s, gateway_history_age_s_max=300)
    gone = event("a", 1)
    await store_events(pool, [gone])
    cache.remember(gone)
    await cache.load("ann", None, within_ms=WITHIN_MS)
    await pool.execute("DELETE FROM events")
    now_s = 301.0
    assert not cache.complete("ann", None)
    assert items(await cache.load("ann", None, within_ms=0.0)) == ["a"]  # at once; the next answer knows better
    await asyncio.wait([cache._reader.read(("ann", None))])
    assert await cache.load("ann", None, within_ms=0.0) == ()
    now_s = 301.0 + STALE_AGES_MAX * 300 + 1
    cache.remember(event("c", 3))
    with pytest.raises(HistoryUnavailable):  # too old to do, and no time to wait
        await cache.load("ann", None, within_ms=0.0)
    await cache.close()
    cache.remember(event("b", 2))
    cache.forget("ann", None)
    assert cache.cached("ann", None) == ()


async def test_concurrent_loads_share_one_query_and_survive_an_abandoned_waiter(pool):
    # A waiter that gives up does not take the query from the others, nor from the cache.
    await store_events(pool, [event("a", 1)])
    cache = cache_on(pool)
    waiters = [asyncio.create_task(cache.load("ann", None, within_ms=WITHIN_MS)) for _ in range(20)]
    await asyncio.sleep(0)
    assert len(cache._reader._queries) == 1
    waiters[0].cancel()
    answers = await asyncio.gather(*waiters[1:])
    assert all(items(answer) == ["a"] for answer in answers)
    assert waiters[0].cancelled()


async def test_reads_that_come_while_queries_run_go_together(pool):
    # Promise: many users at a time cost a few queries, and each gets its own history.
    await store_events(pool, [event(f"i{n}", n, user_id=f"u{n}") for n in range(40)])
    await store_events(pool, [event(f"s{n}", n, user_id=None, session_id=f"s{n}") for n in range(40)])
    cache, queries = cache_on(pool), 0
    waiters = [asyncio.create_task(cache.load(f"u{n}", f"s{n}", within_ms=WITHIN_MS)) for n in range(40)]
    seen: set[object] = set()
    while not all(waiter.done() for waiter in waiters):
        seen |= cache._reader._queries
        queries = max(queries, len(cache._reader._queries))
        await asyncio.sleep(0)
    assert all(set(items(waiter.result())) == {f"i{n}", f"s{n}"} for n, waiter in enumerate(waiters))
    assert queries <= QUERIES_MAX
    assert len(seen) <= 6


async def test_too_many_reads_at_a_time_are_refused_at_once(pool):
    # Promise: no queue grows without bound, and nobody waits in vain.
    cache = cache_on(pool)
    for n in range(READS_MAX):
        cache._reader.read((f"u{n}", None))
    with pytest.raises(HistoryUnavailable, match="already"):
        await cache.load("ann", None, within_ms=WITHIN_MS)
    await cache.close()


async def test_trouble_is_told_and_what_is_cached_stays(pool):
    # Without a database, or with a broken one, load says so; nobody left to listen is no error either.
    away = cache_on(None)
    away.remember(event("a", 1))
    with pytest.raises(HistoryUnavailable):
        await away.load("ann", None, within_ms=WITHIN_MS)
    assert items(away.cached("ann", None)) == ["a"]
    broken = cache_on(pool)
    await pool.close()
    abandoned = asyncio.create_task(broken.load("ann", None, within_ms=WITHIN_MS))
    await asyncio.sleep(0)
    abandoned.cancel()
    with pytest.raises(HistoryUnavailable):
        await broken.load("ann", "s", within_ms=WITHIN_MS)
    await broken.close()
    assert not broken.complete("ann", None)
