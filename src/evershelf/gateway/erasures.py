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
# So many names are hashed before requests get their turn on the event loop: about a millisecond.
NAMES_A_TURN = 500


class Erasures:
    """Used on the event loop only."""

    def __init__(self, mirror: Mirror, history: HistoryCache, decisions: DecisionLog) -> None:
        self._mirror = mirror
        self._history = history
        self._decisions = decisions
        self._forgetting: set[asyncio.Task[None]] = set()
        mirror.on_erasures(self._learn)

    async def close(self) -> None:
        """Stops forgetting; memory ends with the process."""
        for task in self._forgetting:
            task.cancel()
        await asyncio.gather(*self._forgetting, return_exceptions=True)

    def forbids(self, user_id: str | None, session_id: str | None, at_s: float) -> bool:
        """Whether what this user or nameless session did at that time (Unix) was erased."""
        erased, salt = self._mirror.erased, self._mirror.erasure_salt
        return bool(erased) and at_s <= erased.get(_digest(salt, user_id, session_id), float("-inf"))

    def forbids_event(self, event: Event) -> bool:
        """Whether the event was erased before it came."""
        if not self._mirror.erased:  # the usual case, which has no need of the time
            return False
        return self.forbids(event.user_id, event.session_id, event.occurred_at.timestamp())

    def _learn(self, news: Sequence[Erasure]) -> None:
        task = asyncio.create_task(self._forget_twice(frozenset(erasure.digest for erasure in news)))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def _forget_twice(self, digests: frozenset[str]) -> None:
        await self._forget(digests)
        await asyncio.sleep(FORGET_AGAIN_S)
        await self._forget(digests)

    async def _forget(self, digests: frozenset[str]) -> None:
        self._decisions.forget_pairs()
        salt = self._mirror.erasure_salt
        for turn, (user_id, session_id) in enumerate(self._history.known(), start=1):
            if _digest(salt, user_id, session_id) in digests:
                self._history.forget(user_id, session_id)
            if turn % NAMES_A_TURN == 0:
                await asyncio.sleep(0)
        for turn, each in enumerate(self._decisions.latest(len(self._decisions)), start=1):
            if self.forbids(each.user_id, each.session_id, each.decided_at.timestamp()):
                self._decisions.forget(each.recommendation_id)
            if turn % NAMES_A_TURN == 0:
                await asyncio.sleep(0)


def _digest(salt: bytes, user_id: str | None, session_id: str | None) -> str:
    kind, name = ("session", session_id or "") if user_id is None else ("user", user_id)
    return erasure_digest(salt, kind, name)
