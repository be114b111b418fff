"""Shed answers: the baseline of each placement as bytes, made once a shelf, for when there is no time to make more."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import msgspec

from evershelf.contracts.placements import Placement
from evershelf.contracts.recommendations import Reason, RecommendationRequest, Source
from evershelf.gateway.history import HistoryCache
from evershelf.gateway.mirror import Mirror
from evershelf.gateway.outside import Outside
from evershelf.gateway.series import Series
from evershelf.gateway.shelf import Shelf, placed
from evershelf.gateway.snapshot import SnapshotHolder
from evershelf.gateway.telemetry import Telemetry
from evershelf.policy.compose import Composed, ModelReply, compose
from evershelf.policy.ladder import Query, baseline
from evershelf.policy.seen_items import hidden_items

BODIES_MAX = 256
# Rungs that look at one user or one page: there is no time for these.
_SINGLE = frozenset({Source.MODEL, Source.RELATED})
_Key = tuple[str, int, str | None]


@dataclass(frozen=True, slots=True)
class _Body:
    """An answer without its id and times, the items on it, and until when (Unix) all of them may be shown."""

    rest: bytes
    composed: Composed
    item_ids: frozenset[str]
    fresh_until_s: float
    count: Callable[[float, float], None]


class ShedAnswers:
    """Bodies by placement, k and category, forgotten with the shelf and the placements that they were made from.

    What a request itself or the user's history in memory forbids is not shown: then the body is made for it alone.
    """

    def __init__(
        self,
        snapshots: SnapshotHolder,
        mirror: Mirror,
        history: HistoryCache,
        *,
        told: tuple[Telemetry, Series],
        outside: Outside,
    ) -> None:
        self._snapshots = snapshots
        self._mirror = mirror
        self._history = history
        self._telemetry, self._series = told
        self._outside = outside
        self._bodies: dict[_Key, _Body] = {}
        self._shelf, self._placements = snapshots.current, mirror.placements

    def answer(
        self, request: RecommendationRequest, placement: Placement, *, deadline_ms: int, began_s: float
    ) -> bytes:
        """A valid Recommendation as JSON: source and reason are true, `overloaded` is its reason, the id is new."""
        shelf, now_s = self._snapshots.current, self._outside.clock.unix_s()
        history = self._history.cached(request.user_id, request.session_id)
        hidden = hidden_items(request, placement, history)
        body = self._body(shelf, placement, request, now_s)
        if hidden and not hidden.isdisjoint(body.item_ids):
            body = self._make(shelf, placement, request, now_s, hidden)
        elapsed_s = self._outside.clock.monotonic_s() - began_s
        body.count(elapsed_s, deadline_ms / 1_000)
        self._series.counted(placement.name, body.composed, deadline_ms, elapsed_s * 1_000)
        return (
            b'{"recommendation_id":"%b","elapsed_ms":%.3f,"deadline_ms":%d,"snapshot":{"version":"%b","age_s":%.3f},%b'
            % (
                self._outside.new_id_text(),
                elapsed_s * 1_000,
                deadline_ms,
                shelf.version.encode(),
                max(0.0, now_s - shelf.created_at_s),
                body.rest,
            )
        )

    def _body(self, shelf: Shelf, placement: Placement, request: RecommendationRequest, now_s: float) -> _Body:
        placements = self._mirror.placements
        if shelf is not self._shelf or placements is not self._placements or len(self._bodies) > BODIES_MAX:
            self._bodies, self._shelf, self._placements = {}, shelf, placements
        key = placement.name, request.k or placement.k, request.category
        body = self._bodies.get(key)
        if body is None or body.fresh_until_s <= now_s:
            body = self._bodies[key] = self._make(shelf, placement, request, now_s, frozenset())
        return body

    def _make(
        self, shelf: Shelf, placement: Placement, request: RecommendationRequest, now_s: float, hidden: AbstractSet[str]
    ) -> _Body:
        query = Query(
            k=request.k or placement.k,
            ladder=tuple(rung for rung in placement.ladder if rung not in _SINGLE),
            history=(),
            context_items=(),
            category=request.category,
            hidden=frozenset(hidden),
            now_s=now_s,
        )
        composed = compose(shelf, query, ModelReply(Reason.OVERLOADED), baseline(shelf, query))
        ids = [candidate.item_id for candidate in composed.candidates]
        told = {
            "placement": placement.name,
            "source": composed.source,
            "reason": composed.reason,
            "degraded": composed.degraded,
            "model_version": None,
            "attempts": [
                {"source": tried.source, "outcome": tried.outcome, "items": tried.items, "elapsed_ms": 0.0}
                for tried in composed.attempts
            ],
            "items": placed(shelf, composed.candidates),
        }
        return _Body(
            rest=msgspec.json.encode(told)[1:],
            composed=composed,
            item_ids=frozenset(ids),
            fresh_until_s=min(
                (end for item_id in ids if (end := shelf.expires_at_s(item_id)) > 0), default=float("inf")
            ),
            count=self._telemetry.answer_counter(
                placement.name, composed.source, composed.reason, degraded=composed.degraded
            ),
        )
