"""Histories in memory: what a user or session did last, known from the moment an event is accepted."""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from evershelf.contracts.events import INTERACTIONS, Event, EventType
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.outside import Clock
from evershelf.gateway.settings import GatewaySettings
from evershelf.storage.errors import StorageError
from evershelf.storage.history import read_history

# Histories are short on average; this keeps memory in bounds where they are not: about 1 M entries, 150 MB by default.
ENTRIES_A_USER = 20
LOADS_MAX = 256


class HistoryUnavailable(Exception):  # noqa: N818 - named after the state, which is what callers decide on
    """PostgreSQL is not there, failed, or did not answer in time; what `cached` knows is all there is."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One interaction; `occurred_at_s` is Unix time in seconds."""

    item_id: str
    event_type: EventType
    occurred_at_s: float


_Entries: TypeAlias = tuple[HistoryEntry, ...]
_Key: TypeAlias = tuple[str | None, str | None]  # (user_id, None) or (None, session_id), as storage asks for it


@dataclass(frozen=True, slots=True)
class _History:
    """What is known of one key: rows as last read, and what was accepted here and is not among them yet."""

    rows: _Entries = ()
    accepted: _Entries = ()
    merged: _Entries = ()
    read_at_s: float | None = None  # monotonic


class HistoryCache:
    """Histories of users and of sessions, the least recently used out first. Used on the event loop only.

    An event accepted a moment ago is here before PostgreSQL has it, so reading never replaces it: rows and accepted
    entries are kept apart, and an accepted one goes once it is seen among the rows.
    """

    def __init__(self, settings: GatewaySettings, database: DatabaseLink, *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock or Clock()
        self._histories: OrderedDict[_Key, _History] = OrderedDict()
        self._entries = 0
        self._loading: dict[_Key, asyncio.Task[HistoryUnavailable | None]] = {}

    def __len__(self) -> int:
        """How many users and sessions are known."""
        return len(self._histories)

    def remember(self, event: Event) -> None:
        """Takes in an accepted event, so that the next answer knows it; one that is no interaction is left out."""
        if event.event_type not in INTERACTIONS:
            return
        entry = HistoryEntry(event.item_id, event.event_type, event.occurred_at.timestamp())
        for key in _keys(event.user_id, event.session_id):
            known = self._histories.get(key, _History())
            if entry not in known.merged:
                self._put(key, known.rows, self._newest(known.accepted, (entry,)), known.read_at_s)

    def replay(self, events: Iterable[Event]) -> None:
        """Remembers, after a restart, the events that still wait in the spool."""
        for event in events:
            self.remember(event)

    def forget(self, user_id: str | None, session_id: str | None) -> None:
        """Drops what is known of an erased user or session."""
        for key in _keys(user_id, session_id):
            if (known := self._histories.pop(key, None)) is not None:
                self._entries -= _weight(known)

    def cached(self, user_id: str | None, session_id: str | None) -> _Entries:
        """What is in memory of both, newest first, each interaction once; never waits for anything."""
        found = [self._use(key).merged for key in _keys(user_id, session_id)]
        return found[0] if len(found) == 1 else self._newest(*found)

    def complete(self, user_id: str | None, session_id: str | None) -> bool:
        """Whether what `cached` answers includes what PostgreSQL knew at most gateway_history_age_s_max ago."""
        return all(self._is_complete(key) for key in _keys(user_id, session_id))

    async def load(self, user_id: str | None, session_id: str | None, *, within_ms: float) -> _Entries:
        """As `cached`, after reading from PostgreSQL what is not complete. Raises HistoryUnavailable.

        All who wait for one user share one query, which goes on, and fills the cache, when they stop waiting.
        """
        reads = [self._read_shared(key) for key in _keys(user_id, session_id) if not self._is_complete(key)]
        if reads:
            _, late = await asyncio.wait(reads, timeout=within_ms / 1_000)
            if late:
                raise HistoryUnavailable("not read in time")
            for read in reads:
                if (trouble := read.result()) is not None:
                    raise trouble
        return self.cached(user_id, session_id)

    async def close(self) -> None:
        """Ends the queries under way."""
        reads = list(self._loading.values())
        for read in reads:
            read.cancel()
        if reads:
            await asyncio.wait(reads)

    def _read_shared(self, key: _Key) -> "asyncio.Task[HistoryUnavailable | None]":
        if (read := self._loading.get(key)) is None:
            if len(self._loading) >= LOADS_MAX:
                raise HistoryUnavailable(f"{LOADS_MAX} histories are being read already")
            read = self._loading[key] = asyncio.create_task(self._read(key))
            read.add_done_callback(lambda _: self._loading.pop(key, None))
        return read

    async def _read(self, key: _Key) -> HistoryUnavailable | None:
        """Reads one history into the cache. Trouble is returned, not raised: there may be nobody left to catch it."""
        if (pool := self._database.pool) is None:
            return HistoryUnavailable("the database is not connected")
        asked_at_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self._settings.gateway_database_timeout_ms / 1_000):
                rows = await read_history(pool, *key, self._settings.gateway_history_interactions_max)
        except (StorageError, TimeoutError) as error:
            return HistoryUnavailable(f"{type(error).__name__}: {error}")
        read = tuple(HistoryEntry(row.item_id, row.event_type, row.occurred_at.timestamp()) for row in rows)
        accepted = self._histories.get(key, _History()).accepted
        self._put(key, read, tuple(entry for entry in accepted if entry not in read), asked_at_s)
        return None

    def _is_complete(self, key: _Key) -> bool:
        known = self._histories.get(key)
        age_s_max = self._settings.gateway_history_age_s_max
        return (
            known is not None
            and known.read_at_s is not None
            and self._clock.monotonic_s() - known.read_at_s <= age_s_max
        )

    def _use(self, key: _Key) -> _History:
        if (known := self._histories.get(key)) is None:
            return _History()
        self._histories.move_to_end(key)
        return known

    def _put(self, key: _Key, rows: _Entries, accepted: _Entries, read_at_s: float | None) -> None:
        known = _History(rows, accepted, self._newest(rows, accepted), read_at_s)
        if (before := self._histories.pop(key, None)) is not None:
            self._entries -= _weight(before)
        self._histories[key] = known
        self._entries += _weight(known)
        users_max = self._settings.gateway_history_users_max
        entries_max = max(users_max * ENTRIES_A_USER, self._settings.gateway_history_interactions_max)
        while len(self._histories) > users_max or (self._entries > entries_max and len(self._histories) > 1):
            self._entries -= _weight(self._histories.popitem(last=False)[1])

    def _newest(self, *sorted_entries: _Entries) -> _Entries:
        """Merges lists that are newest first into one, each entry once, cut to the newest."""
        merged = heapq.merge(*sorted_entries, key=_newest_first)
        unique = dict.fromkeys(merged)
        return tuple(unique)[: self._settings.gateway_history_interactions_max]


def _keys(user_id: str | None, session_id: str | None) -> list[_Key]:
    keys: list[_Key] = [] if user_id is None else [(user_id, None)]
    return keys if session_id is None else [*keys, (None, session_id)]


def _newest_first(entry: HistoryEntry) -> tuple[float, str, str]:
    return -entry.occurred_at_s, entry.item_id, entry.event_type


def _weight(known: _History) -> int:
    return len(known.merged)
