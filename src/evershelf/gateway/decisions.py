"""The decision log: the newest answers in memory for whoever asks why, and a sample of them through the spool."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from math import isinf
from uuid import UUID

import orjson
from pydantic import JsonValue

from evershelf.contracts.recommendations import RecommendationRequest
from evershelf.gateway.outside import Clock
from evershelf.gateway.settings import GatewaySettings
from evershelf.gateway.spool import Spool
from evershelf.policy.quota import Bucket, Quota, take
from evershelf.storage.decisions import Decision

__all__ = ["Decision", "DecisionLog", "EncodedRecord"]

BURST_S = 2.0
# Users with their sessions that are known to be recorded, the oldest out first: some 200 bytes each.
PAIRS_MAX = 20_000
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
    """Recording never waits: what is beyond its rate, or finds the spool full, is dropped and counted."""

    def __init__(self, settings: GatewaySettings, spool: Spool, *, clock: Clock | None = None) -> None:
        per_s = settings.gateway_decisions_per_s_max
        self._quota = None if isinf(per_s) else Quota(per_s, BURST_S)
        self._bucket: Bucket | None = None
        self._clock = clock or Clock()
        self._told: OrderedDict[tuple[str | None, str | None], None] = OrderedDict()
        self.passed_over = 0
        self._ring_max = settings.gateway_decisions_ring_max
        self._sampled_steps = round(settings.gateway_decisions_share * _SHARE_STEPS)
        self._spool = spool
        self._ring: OrderedDict[UUID, Decision] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        """How many are in memory."""
        return len(self._ring)

    def offer(self, request: RecommendationRequest, make: Callable[[], Decision]) -> None:
        """Records what `make` gives, of so many answers a second; those beyond are only counted, and nothing is made.

        The first answer that tells whose a session is is always recorded, for that is what erasing a person goes by.
        """
        pair = request.user_id, request.session_id
        tells = None not in pair and pair not in self._told
        if self._quota is not None and not tells:
            verdict = take(self._bucket, self._quota, now_s=self._clock.monotonic_s())
            self._bucket = verdict.bucket
            if not verdict.allowed:
                self.passed_over += 1
                return
        if self.record(make(), always=tells) and tells:
            self._told[pair] = None
            if len(self._told) > PAIRS_MAX:
                self._told.popitem(last=False)

    def record(self, decision: Decision, *, always: bool = False) -> bool:
        """Keeps the decision in memory, and sends it to PostgreSQL if it belongs to the sampled share, or `always`.

        The share is taken by recommendation_id, so that the same answer is in or out wherever the question comes up.
        Returns whether it is on its way to PostgreSQL.
        """
        self._ring[decision.recommendation_id] = decision
        if len(self._ring) > self._ring_max:
            self._ring.popitem(last=False)
        sampled = always or decision.recommendation_id.int % _SHARE_STEPS < self._sampled_steps
        return sampled and self._spool.append_decision(partial(_encode, decision))

    def forget(self, recommendation_id: UUID) -> None:
        """Drops a decision from memory, if it is still there."""
        self._ring.pop(recommendation_id, None)

    def forget_pairs(self) -> None:
        """Drops who is known to be recorded with which session: the next answer of each tells it anew."""
        self._told.clear()

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
