"""The decision log: the newest answers in memory for whoever asks why, and a sample of all through the spool."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from uuid import UUID

import orjson
from pydantic import JsonValue

from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.spool import Spool
from evershelf.storage.decisions import Decision

__all__ = ["Decision", "DecisionLog", "EncodedRecord"]

_SHARE_STEPS = 1_000_000


class EncodedRecord(Mapping[str, JsonValue]):
    """A decision's record as JSON: a tenth of the memory of its objects, read only when somebody asks why."""

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        self.body = body

    def __getitem__(self, name: str) -> JsonValue:
        value: JsonValue = orjson.loads(self.body)[name]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(orjson.loads(self.body))

    def __len__(self) -> int:
        return len(orjson.loads(self.body))


class DecisionLog:
    """Recording costs an answer a few microseconds: no waiting, and a full spool drops and counts."""

    def __init__(self, settings: GatewaySettings, spool: Spool) -> None:
        self._ring_max = settings.gateway_decisions_ring_max
        self._sampled_steps = round(settings.gateway_decisions_share * _SHARE_STEPS)
        self._spool = spool
        self._ring: OrderedDict[UUID, Decision] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        """How many are in memory."""
        return len(self._ring)

    def record(self, decision: Decision) -> None:
        """Keeps the decision in memory, and sends it to PostgreSQL if it belongs to the sampled share.

        The share is taken by recommendation_id, so that the same answer is in or out wherever the question comes up.
        """
        self._ring[decision.recommendation_id] = decision
        if len(self._ring) > self._ring_max:
            self._ring.popitem(last=False)
        if decision.recommendation_id.int % _SHARE_STEPS < self._sampled_steps:
            self._spool.append_decision(partial(_encode, decision))

    def forget(self, recommendation_id: UUID) -> None:
        """Drops a decision from memory, if it is still there."""
        self._ring.pop(recommendation_id, None)

    def find(self, recommendation_id: UUID) -> Decision | None:
        """The decision, if it is still in memory."""
        return self._ring.get(recommendation_id)

    def latest(self, limit: int, *, user_id: str | None = None) -> list[Decision]:
        """The newest decisions in memory, newest first; only those of `user_id` where one is given."""
        return self.matching(lambda each: user_id is None or each.user_id == user_id, limit)

    def matching(self, wanted: Callable[[Decision], bool], limit: int) -> list[Decision]:
        """The newest `limit` decisions in memory for which `wanted` holds, newest first."""
        return list(islice(filter(wanted, reversed(self._ring.values())), limit))


def _encode(decision: Decision) -> bytes:
    return orjson.dumps(decision, default=_plain)


def _plain(record: Mapping[str, JsonValue]) -> orjson.Fragment | dict[str, JsonValue]:
    """`record` may be any mapping; one that is encoded already goes out as it is."""
    return orjson.Fragment(record.body) if isinstance(record, EncodedRecord) else dict(record)
