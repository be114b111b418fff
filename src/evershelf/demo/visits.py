"""One visit to the demo shop, step by step: what is asked and reported, decided by what the shopper likes."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias
from uuid import UUID

from evershelf.contracts.events import EventType
from evershelf.demo.tastes import Tastes

# A shopper looks at a place of the list with this chance, if the place before was looked at.
LOOKS_ON_SHARE = 0.88
# Of the items looked at, clicked: what fits the mood, and what does not.
CLICK_SHARE = 0.22
CLICK_SHARE_OFF_TASTE = 0.015
# Without a click on the page, finds something alone; else goes.
FINDS_ALONE_SHARE = 0.35
CART_SHARE = 0.16
CART_SHARE_OFF_TASTE = 0.02
BUYS_SHARE = 0.45
PAGES_MAX = 12
UNKNOWN_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Ask:
    """A shelf on the page is to be filled."""

    placement: str
    context_items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What the shelf was filled with."""

    recommendation_id: str
    placement: str
    item_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """Events to be sent, as the API takes them but for `occurred_at`, which is when they are sent."""

    events: tuple[Mapping[str, object], ...]


Step: TypeAlias = Ask | Report
Visit: TypeAlias = Generator[Step, Shown | None, None]


@dataclass(slots=True)
class Shopper:
    """Somebody who visits now: known by `user_id`, or only by `session_id`; in the mood for one taste."""

    user_id: str | None
    session_id: str
    taste: int
    cart: dict[str, Shown | None] = field(default_factory=dict)


def somebody(tastes: Tastes, users: Sequence[str], chance: Random) -> Shopper:
    """A user of the shop, or a visitor whom nobody knows."""
    user_id = None if chance.random() < UNKNOWN_SHARE else users[chance.randrange(len(users))]
    session_id = f"visit-{chance.getrandbits(48):012x}"
    return Shopper(user_id, session_id, tastes.session_taste(user_id, chance))


def visit(shopper: Shopper, tastes: Tastes, chance: Random) -> Visit:
    """The steps of one visit; each `Ask` is to be answered with what was shown, or None where nothing came."""
    item_id, led_by = yield from _page(shopper, Ask("home"), tastes, chance)
    for _ in range(PAGES_MAX):
        if item_id is None:
            break
        yield Report((_event(shopper, EventType.VIEW_ITEM, item_id, led_by, chance),))
        share = CART_SHARE if tastes.fits(item_id, shopper.taste) else CART_SHARE_OFF_TASTE
        if chance.random() < share:
            shopper.cart[item_id] = led_by
            yield Report((_event(shopper, EventType.ADD_TO_CART, item_id, led_by, chance),))
        item_id, led_by = yield from _page(shopper, Ask("item-page", (item_id,)), tastes, chance)
    if shopper.cart:
        yield from _checkout(shopper, tastes, chance)


def _page(
    shopper: Shopper, ask: Ask, tastes: Tastes, chance: Random
) -> Generator[Step, Shown | None, tuple[str | None, Shown | None]]:
    """One page with one shelf; the item that is opened next and the shelf that led there, or nothing."""
    shown = yield ask
    if shown is not None and shown.item_ids:
        yield Report(tuple(_event(shopper, EventType.VIEW_ITEM_LIST, each, shown, chance) for each in shown.item_ids))
        clicked = _clicked(shopper, shown, tastes, chance)
        if clicked is not None:
            yield Report((_event(shopper, EventType.SELECT_ITEM, clicked, shown, chance),))
            return clicked, shown
    if chance.random() < FINDS_ALONE_SHARE:
        return tastes.found_alone(shopper.taste, chance), None
    return None, None


def _clicked(shopper: Shopper, shown: Shown, tastes: Tastes, chance: Random) -> str | None:
    """The first item that is looked at and liked (a cascade: Craswell et al., Click position-bias models, 2008)."""
    for item_id in shown.item_ids:
        if chance.random() > LOOKS_ON_SHARE:
            return None
        share = CLICK_SHARE if tastes.fits(item_id, shopper.taste) else CLICK_SHARE_OFF_TASTE
        if chance.random() < share:
            return item_id
    return None


def _checkout(shopper: Shopper, tastes: Tastes, chance: Random) -> Visit:
    """The cart page: perhaps one more thing, then perhaps the order."""
    more, led_by = yield from _page(shopper, Ask("cart", tuple(shopper.cart)), tastes, chance)
    if more is not None and led_by is not None:
        shopper.cart[more] = led_by
        yield Report((_event(shopper, EventType.ADD_TO_CART, more, led_by, chance),))
    if chance.random() < BUYS_SHARE:
        yield Report(tuple(_event(shopper, EventType.PURCHASE, each, by, chance) for each, by in shopper.cart.items()))


def _event(
    shopper: Shopper, event_type: EventType, item_id: str, led_by: Shown | None, chance: Random
) -> dict[str, object]:
    event: dict[str, object] = {
        "event_id": str(UUID(int=chance.getrandbits(128), version=4)),
        "session_id": shopper.session_id,
        "item_id": item_id,
        "event_type": event_type.value,
    }
    if shopper.user_id is not None:
        event["user_id"] = shopper.user_id
    if led_by is not None:
        event |= {"placement": led_by.placement, "recommendation_id": led_by.recommendation_id}
    return event
