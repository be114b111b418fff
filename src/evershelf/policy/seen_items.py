"""What an answer needs of a history, and which items it must not show: those named, those hidden once seen."""

from collections.abc import Iterable
from typing import Protocol

from evershelf.contracts.events import EventType
from evershelf.contracts.placements import Placement, SeenItems
from evershelf.contracts.recommendations import RecommendationRequest, Source

OWNED = frozenset({EventType.PURCHASE, EventType.CONSUME, EventType.RATE})
PERSONAL = frozenset({Source.MODEL, Source.RELATED, Source.POPULAR_IN_CATEGORY})


class Seen(Protocol):
    """One interaction of a history."""

    @property
    def item_id(self) -> str: ...
    @property
    def event_type(self) -> EventType: ...


def needs_history(placement: Placement) -> bool:
    """Whether an answer of this placement depends on what the user did before."""
    return placement.seen_items is not SeenItems.SHOW or not PERSONAL.isdisjoint(placement.ladder)


def hidden_items(request: RecommendationRequest, placement: Placement, history: Iterable[Seen]) -> set[str]:
    """What is excluded, what is on the page, and what the placement hides of this history."""
    hidden = {*request.exclude, *request.context_items}
    if placement.seen_items is not SeenItems.SHOW:
        hide_all = placement.seen_items is SeenItems.HIDE
        hidden.update(entry.item_id for entry in history if hide_all or entry.event_type in OWNED)
    return hidden
