"""What an answer needs of a history, and which items it must not show: those named, those hidden once seen."""

from collections.abc import Iterable
from typing import Protocol

from evershelf.contracts.events import EventType
from evershelf.contracts.placements import Placement, SeenItems
from evershelf.contracts.recommendations import RecommendationRequest, Source

OWNED = frozenset({EventType.PURCHASE, EventType.CONSUME, EventType.RATE})
PERSONAL = frozenset({Source.MODEL, Source.RELATED, Source.POPULAR_IN_CATEGORY})


class Seen(Protocol):
    """A history: all its items, and those that the user owns by now."""

    @property
    def item_ids(self) -> Iterable[str]: ...
    @property
    def owned(self) -> Iterable[str]: ...


def needs_history(placement: Placement) -> bool:
    """Whether an answer of this placement depends on what the user did before."""
    return placement.seen_items is not SeenItems.SHOW or not PERSONAL.isdisjoint(placement.ladder)


def hidden_items(request: RecommendationRequest, placement: Placement, history: Seen) -> set[str]:
    """What is excluded, what is on the page, and what the placement hides of this history."""
    hidden = {*request.exclude, *request.context_items}
    if placement.seen_items is not SeenItems.SHOW:
        hidden.update(history.item_ids if placement.seen_items is SeenItems.HIDE else history.owned)
    return hidden
