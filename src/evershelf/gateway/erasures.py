"""Erasures at work: when the mirror tells of one, this process forgets the person, and remembers not to learn anew."""

import asyncio
from collections.abc import Sequence

from evershelf.contracts.erasures import Erasure
from evershelf.contracts.events import Event
from evershelf.gateway.decisions import DecisionLog
from evershelf.gateway.history import HistoryCache
from evershelf.gateway.mirror import Mirror
from evershelf.policy.erasure import erasure_digest

# A history that was being read while its user was erased may come in a moment later.
FORGET_AGAIN_S = 5.0


class Erasures:
    """Used on the event loop only."""

    def __init__(self, mirror: Mirror, history: HistoryCache, decisions: DecisionLog) -> None:
        self._mirror = mirror
        self._history = history
        self._decisions = decisions
        mirror.on_erasures(self._learn)

    def forbids(self, user_id: str | None, session_id: str | None, at_s: float) -> bool:
        """Whether what this user or nameless session did at that time (Unix) was erased."""
        erased, salt = self._mirror.erased, self._mirror.erasure_salt
        return bool(erased) and at_s <= erased.get(_digest(salt, user_id, session_id), float("-inf"))

    def forbids_event(self, event: Event) -> bool:
        """Whether the event was erased before it came."""
        return self.forbids(event.user_id, event.session_id, event.occurred_at.timestamp())

    def _learn(self, news: Sequence[Erasure]) -> None:
        digests = frozenset(erasure.digest for erasure in news)
        self._forget(digests)
        asyncio.get_running_loop().call_later(FORGET_AGAIN_S, self._forget, digests)

    def _forget(self, digests: frozenset[str]) -> None:
        salt = self._mirror.erasure_salt
        for user_id, session_id in self._history.known():
            if _digest(salt, user_id, session_id) in digests:
                self._history.forget(user_id, session_id)
        self._decisions.forget(lambda each: self.forbids(each.user_id, each.session_id, each.decided_at.timestamp()))


def _digest(salt: bytes, user_id: str | None, session_id: str | None) -> str:
    kind, name = ("session", session_id or "") if user_id is None else ("user", user_id)
    return erasure_digest(salt, kind, name)
