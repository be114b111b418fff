"""Everything that happens in the demo shop, as rows: views cut to the budget, and what follows from them."""

from dataclasses import dataclass

import numpy as np

from evershelf.contracts.events import EventType
from evershelf.demo.browsing import Browsing, Views
from evershelf.demo.buying import buyers_buy, join, passing_buy
from evershelf.demo.catalog import Flags, Integers
from evershelf.demo.shoppers import ANONYMOUS, Sessions
from evershelf.demo.targets import BUYERS, Budget

# Of the views: reached by a click in a list; followed by a wish (users with an account only).
SELECTED_SHARE = 0.03
WISHED_SHARE = 0.015
_SELECT_BEFORE_US = 900_000
_WISH_AFTER_US = 4_000_000

KINDS = (
    EventType.SELECT_ITEM,
    EventType.VIEW_ITEM,
    EventType.ADD_TO_WISHLIST,
    EventType.ADD_TO_CART,
    EventType.PURCHASE,
)


@dataclass(frozen=True)
class Happenings:
    """Events in the order of time: indices of session and item, of the user or ANONYMOUS, of the kind in KINDS."""

    session: Integers
    user: Integers
    item: Integers
    at_us: Integers
    kind: Integers


def all_happenings(
    rng: np.random.Generator, views: Views, sessions: Sessions, *, budget: Budget, browsing: Browsing
) -> Happenings:
    """All events of the window; the number of views is exactly the budget's."""
    buys = (sessions.user[views.session] >= 0) & (sessions.user[views.session] < BUYERS)
    own = buyers_buy(rng, _rows(views, buys), sessions, budget=budget, browsing=browsing)
    passing = _rows(views, ~buys)
    passing = _cut(rng, passing, sessions, keep=budget.views - own.views.item.size)
    others = passing_buy(rng, passing, sessions, budget)
    views = join([own.views, others.views])
    chance = rng.random(views.item.size)
    wished = (chance > 1 - WISHED_SHARE) & (sessions.user[views.session] != ANONYMOUS)
    by_kind = {
        EventType.SELECT_ITEM: _moved(_rows(views, chance < SELECTED_SHARE), -_SELECT_BEFORE_US),
        EventType.VIEW_ITEM: views,
        EventType.ADD_TO_WISHLIST: _moved(_rows(views, wished), _WISH_AFTER_US),
        EventType.ADD_TO_CART: join([own.carts, others.carts]),
        EventType.PURCHASE: join([own.purchases, others.purchases]),
    }
    kind = np.repeat(np.arange(len(KINDS)), [by_kind[name].item.size for name in KINDS])
    rows = join([by_kind[name] for name in KINDS])
    order = np.lexsort((kind, rows.session, rows.at_us))
    rows = _rows(rows, order)
    return Happenings(rows.session, sessions.user[rows.session], rows.item, rows.at_us, kind[order])


def _cut(rng: np.random.Generator, views: Views, sessions: Sessions, *, keep: int) -> Views:
    """`keep` of the views, by leaving out whole sessions, the first of a user last of all; one may be cut short."""
    if views.item.size < keep:
        raise ValueError(
            f"the sessions brought {views.item.size} views, {keep} are needed: raise SESSIONS_PER_USER_MEAN"
        )
    opening = (np.diff(sessions.user, prepend=-2) != 0) & (sessions.user != ANONYMOUS)
    rank = np.where(opening, 0.0, 1.0 + rng.random(opening.size))
    order = np.lexsort((views.at_us, rank[views.session]))
    return _rows(views, np.sort(order[:keep]))


def _rows(views: Views, rows: Integers | Flags) -> Views:
    return Views(views.session[rows], views.item[rows], views.at_us[rows])


def _moved(views: Views, by_us: int) -> Views:
    return Views(views.session, views.item, views.at_us + by_us)
