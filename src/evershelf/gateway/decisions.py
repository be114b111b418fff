"""The decision log: the newest answers in memory for whoever asks why, and a sample of all through the spool."""

from collections import OrderedDict
from functools import partial
from itertools import islice
from uuid import UUID

import orjson

from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.spool import Spool
from evershelf.storage.decisions import Decision

__all__ = ["Decision", "DecisionLog"]

_SHARE_STEPS = 1_000_000


class DecisionLog:
    """Recording costs an answer a few microseconds: no encoding, no waiting, and a full spool drops and counts."""

    def __init__(self, settings: GatewaySettings, spool: Spool) -> None:
        self._ring_max = settings.gateway_decisions_ring_max
        self._sampled_steps = round(settings.gateway_decisions_share * _SHARE_STEPS)
        self._spool = spool
        self._ring: OrderedDict[UUID, Decision] = OrderedDict()  # oldest first

    def record(self, decision: Decision) -> None:
        """Keeps the decision in memory, and sends it to PostgreSQL if it belongs to the sampled share.

        The share is taken by recommendation_id, so that the same answer is in or out wherever the question comes up.
        """
        self._ring[decision.recommendation_id] = decision
        if len(self._ring) > self._ring_max:
            self._ring.popitem(last=False)
        if decision.recommendation_id.int % _SHARE_STEPS < self._sampled_steps:
            self._spool.append_decision(partial(_encode, decision))

    def find(self, recommendation_id: UUID) -> Decision | None:
        """The decision, if it is still in memory."""
        return self._ring.get(recommendation_id)

    def latest(self, limit: int, *, user_id: str | None = None) -> list[Decision]:
        """The newest decisions in memory, newest first; only those of `user_id` where one is given."""
        newest = reversed(self._ring.values())
        return list(islice((each for each in newest if user_id is None or each.user_id == user_id), limit))


def _encode(decision: Decision) -> bytes:
    return orjson.dumps(decision, default=dict)  # `record` may be any mapping
