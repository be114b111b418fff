"""Histories in memory: what a user or session did last, known from the moment an event is accepted."""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import inf
from typing import TypeAlias

from evershelf.contracts.events import INTERACTIONS, Event, EventType
from evershelf.gateway.database import DatabaseLink
from evershelf.gateway.history_reader import HistoryReader, Interactions, Key
from evershelf.gateway.outside import Clock
from evershelf.gateway.settings import GatewaySettings
from evershelf.policy.seen_items import OWNED

# Histories are short on average; this keeps memory in bounds where they are not: about 1 M entries, 150 MB by default.
ENTRIES_A_USER = 20
# A history read this many maximum ages ago still does for an answer, while it is read anew.
STALE_AGES_MAX = 12


class HistoryUnavailable(Exception):  # noqa: N818 - named after the state, which is what callers decide on
    """PostgreSQL is not there, failed, or did not answer in time; what `cached` knows is all there is."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One interaction; `occurred_at_s` is Unix time in seconds."""

    item_id: str
    event_type: EventType
    occurred_at_s: float


class Entries(tuple[HistoryEntry, ...]):  # noqa: SLOT001 - what is made once is kept in its dict
    """A history, newest first; what each answer asks of it is made once."""

    @cached_property
    def item_ids(self) -> tuple[str, ...]:
        """The items, newest first, each once."""
        return tuple(dict.fromkeys([entry.item_id for entry in self]))

    @cached_property
    def owned(self) -> frozenset[str]:
        """The items that were bought, consumed or rated."""
        return frozenset([entry.item_id for entry in self if entry.event_type in OWNED])


_NO_ENTRIES = Entries()
_Rows: TypeAlias = tuple[HistoryEntry, ...]


@dataclass(frozen=True, slots=True)
class _History:
    """What is known of one key: rows as last read, and what was accepted here and is not among them yet."""

    rows: _Rows = ()
    accepted: _Rows = ()
    merged: Entries = _NO_ENTRIES
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
        self._histories: OrderedDict[Key, _History] = OrderedDict()
        self._entries = 0
        self._reader = HistoryReader(settings, database, self._clock, self._take_in)

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

    def known(self) -> list[tuple[str | None, str | None]]:
        """Whose history is in memory: of each, the user or the session."""
        return list(self._histories)

    def forget(self, user_id: str | None, session_id: str | None) -> None:
        """Drops what is known of an erased user or session."""
        for key in _keys(user_id, session_id):
            if (known := self._histories.pop(key, None)) is not None:
                self._entries -= _weight(known)

    def cached(self, user_id: str | None, session_id: str | None) -> Entries:
        """What is in memory of both, newest first, each interaction once; never waits for anything."""
        found = [self._use(key).merged for key in _keys(user_id, session_id)]
        return found[0] if len(found) == 1 else self._newest(*found)

    def complete(self, user_id: str | None, session_id: str | None) -> bool:
        """Whether what `cached` answers includes what PostgreSQL knew at most gateway_history_age_s_max ago."""
        return all(self._is_complete(key) for key in _keys(user_id, session_id))

    async def load(self, user_id: str | None, session_id: str | None, *, within_ms: float) -> Entries:
        """As `cached`, after reading from PostgreSQL what was never read. Raises HistoryUnavailable.

        What was read a while ago is good enough for this answer, and read anew for the next one. All who wait for one
        user share one read, which goes on, and fills the cache, when they stop waiting.
        """
        asked = [(key, self._reader.read(key)) for key in _keys(user_id, session_id) if not self._is_complete(key)]
        reads = [read for key, read in asked if read.done() or not self._is_usable(key)]
        if any(not read.done() for read in reads):
            if within_ms < self._reader.p50_ms:
                raise HistoryUnavailable("there is less time than a read takes")
            await asyncio.wait(reads, timeout=within_ms / 1_000)
        for read in reads:
            if (trouble := read.result() if read.done() else "not read in time") is not None:
                raise HistoryUnavailable(trouble)
        return self.cached(user_id, session_id)

    async def close(self) -> None:
        """Ends the queries under way."""
        await self._reader.close()

    def _take_in(self, key: Key, interactions: Interactions, asked_at_s: float) -> None:
        read = tuple(HistoryEntry(*interaction) for interaction in interactions)
        accepted = self._histories.get(key, _History()).accepted
        self._put(key, read, tuple(entry for entry in accepted if entry not in read), asked_at_s)

    def _is_complete(self, key: Key) -> bool:
        return self._age_s(key) <= self._settings.gateway_history_age_s_max

    def _is_usable(self, key: Key) -> bool:
        return self._age_s(key) <= STALE_AGES_MAX * self._settings.gateway_history_age_s_max

    def _age_s(self, key: Key) -> float:
        known = self._histories.get(key)
        return inf if known is None or known.read_at_s is None else self._clock.monotonic_s() - known.read_at_s

    def _use(self, key: Key) -> _History:
        if (known := self._histories.get(key)) is None:
            return _History()
        self._histories.move_to_end(key)
        return known

    def _put(self, key: Key, rows: _Rows, accepted: _Rows, read_at_s: float | None) -> None:
        known = _History(rows, accepted, self._newest(rows, accepted), read_at_s)
        if (before := self._histories.pop(key, None)) is not None:
            self._entries -= _weight(before)
        self._histories[key] = known
        self._entries += _weight(known)
        users_max = self._settings.gateway_history_users_max
        entries_max = max(users_max * ENTRIES_A_USER, self._settings.gateway_history_interactions_max)
        while len(self._histories) > users_max or (self._entries > entries_max and len(self._histories) > 1):
            self._entries -= _weight(self._histories.popitem(last=False)[1])

    def _newest(self, *sorted_entries: _Rows) -> Entries:
        """Merges lists that are newest first into one, each entry once, cut to the newest."""
        merged = heapq.merge(*sorted_entries, key=_newest_first)
        unique = dict.fromkeys(merged)
        return Entries(islice(unique, self._settings.gateway_history_interactions_max))


def _keys(user_id: str | None, session_id: str | None) -> list[Key]:
    keys: list[Key] = [] if user_id is None else [(user_id, None)]
    return keys if session_id is None else [*keys, (None, session_id)]


def _newest_first(entry: HistoryEntry) -> tuple[float, str, str]:
    return -entry.occurred_at_s, entry.item_id, entry.event_type


def _weight(known: _History) -> int:
    return len(known.merged)
