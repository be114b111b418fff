"""Which items a request must not be shown: those it names itself, and those that its placement hides once seen."""

from collections.abc import Iterable
from typing import Protocol

from evershelf.contracts.events import EventType
from evershelf.contracts.placements import Placement, SeenItems
from evershelf.contracts.recommendations import RecommendationRequest

OWNED = frozenset({EventType.PURCHASE, EventType.CONSUME, EventType.RATE})


class Seen(Protocol):
    """One interaction of a history."""

    @property
    def item_id(self) -> str: ...
    @property
    def event_type(self) -> EventType: ...


def hidden_items(request: RecommendationRequest, placement: Placement, history: Iterable[Seen]) -> set[str]:
    """What is excluded, what is on the page, and what the placement hides of this history."""
    hidden = {*request.exclude, *request.context_items}
    if placement.seen_items is not SeenItems.SHOW:
        hide_all = placement.seen_items is SeenItems.HIDE
        hidden.update(entry.item_id for entry in history if hide_all or entry.event_type in OWNED)
    return hidden
