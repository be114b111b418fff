"""What is put into carts and bought: by buyers under their account to the exact counts of the budget, and by guests."""

from dataclasses import dataclass

import numpy as np

from evershelf.demo.browsing import DAY_US, NOTHING, Browsing, Views
from evershelf.demo.catalog import WINDOW_DAYS, Flags, Floats, Integers
from evershelf.demo.shoppers import ANONYMOUS, Sessions
from evershelf.demo.targets import BUYERS, Budget

# Of the items a buyer has looked at in a session, the share that goes into an order made in it: of those that fit the
# session's taste, and of the others.
ORDERED_SHARE = 0.6
ORDERED_SHARE_OFF_TASTE = 0.06
# Bought pairs that went through the cart; the rest is ordered from a list or with one click.
CARTED_BEFORE_BUYING_SHARE = 0.85
GUEST_ITEMS_MAX = 4
# Of the carts that are no buyer's, those of guests who then buy; the rest is left behind.
GUEST_CARTS_SHARE = 0.6
_SECOND_US = 1_000_000
_TOP_UP_ROUNDS_MAX = 60


@dataclass(frozen=True)
class Purchases:
    """Views that remain, and what became of them; `Views` of carts and purchases mean the item carted or bought."""

    views: Views
    carts: Views
    purchases: Views


@dataclass(frozen=True)
class _Quota:
    """One buyer's line of the budget."""

    viewed: int
    bought: int
    unseen: int
    carted: int
    repeats: int


def buyers_buy(
    rng: np.random.Generator, views: Views, sessions: Sessions, *, budget: Budget, browsing: Browsing
) -> Purchases:
    """The buyers' share: exactly the pairs viewed, carted and bought, and the purchases, that the budget asks for."""
    owner = sessions.user[views.session]
    done = []
    for buyer in range(BUYERS):
        quota = _Quota(
            viewed=int(budget.viewed[buyer]),
            bought=int(budget.bought[buyer]),
            unseen=int(budget.bought_unseen[buyer]),
            carted=int(budget.carted[buyer]),
            repeats=int(budget.repeats[buyer]),
        )
        own = _select(views, owner == buyer)
        own = _exactly(rng, own, quota.viewed + quota.unseen, sessions=sessions, browsing=browsing)
        likely = np.where(browsing.fits(sessions.taste[own.session], own.item), ORDERED_SHARE, ORDERED_SHARE_OFF_TASTE)
        done.append(_buy(rng, own, quota, likely=likely, gone_us=browsing.gone_us))
    return Purchases(
        views=join([part.views for part in done]),
        carts=join([part.carts for part in done]),
        purchases=join([part.purchases for part in done]),
    )


def passing_buy(rng: np.random.Generator, views: Views, sessions: Sessions, budget: Budget) -> Purchases:
    """Everybody else's share: the guests' purchases without an account, their carts, and carts left behind."""
    anonymous = np.flatnonzero(sessions.user[views.session] == ANONYMOUS)
    wished = _shuffled_sessions(rng, views.session[anonymous])
    rows = anonymous[np.lexsort((views.at_us[anonymous], wished))]
    rows = rows[_first_of_each(views.session[rows] * (views.item.max() + 1) + views.item[rows])]
    position = _position_in_run(views.session[rows])
    size = rng.integers(1, GUEST_ITEMS_MAX, size=sessions.user.size, endpoint=True)
    bought = rows[position < size[views.session[rows]]][: budget.guest_purchases]
    last = _session_ends(views, sessions.user.size)
    guest_carts = rng.choice(bought, size=round(GUEST_CARTS_SHARE * budget.passing_carts), replace=False)
    others = np.setdiff1d(np.arange(views.session.size), rows)
    left = rng.choice(others, size=budget.passing_carts - guest_carts.size, replace=False)
    return Purchases(
        views=views,
        carts=_later(views, np.concatenate([guest_carts, left]), 15 * _SECOND_US),
        purchases=Views(views.session[bought], views.item[bought], last[views.session[bought]] + 90 * _SECOND_US),
    )


def join(parts: list[Views]) -> Views:
    """Several as one."""
    return Views(
        session=np.concatenate([part.session for part in parts]),
        item=np.concatenate([part.item for part in parts]),
        at_us=np.concatenate([part.at_us for part in parts]),
    )


def _exactly(rng: np.random.Generator, own: Views, pairs: int, *, sessions: Sessions, browsing: Browsing) -> Views:
    """The buyer's views cut down, or added to in sessions of the same taste, until they are of `pairs` items."""
    own_sessions = np.unique(own.session)
    for _ in range(_TOP_UP_ROUNDS_MAX):
        missing = pairs - np.unique(own.item).size
        if missing <= 0:
            break
        into = rng.choice(own_sessions, size=2 * missing)
        item = browsing.fitting(sessions.taste[into], np.minimum(sessions.start_day[into], WINDOW_DAYS - 1e-6))
        new = np.flatnonzero((item != NOTHING) & ~np.isin(item, own.item))
        new = new[_first_of_each(item[new])][:missing]
        start_us = (sessions.start_day[into[new]] * DAY_US).astype(np.int64)
        at_us = start_us + rng.integers(1, 1_200, size=new.size) * _SECOND_US
        own = join([own, Views(into[new], item[new], at_us)])
    order = np.lexsort((own.at_us, _shuffled_sessions(rng, own.session)))
    kept = own.item[order][_first_of_each(own.item[order])][:pairs]
    own = _select(own, np.isin(own.item, kept))
    return _select(own, np.lexsort((own.at_us, own.session)))


def _buy(rng: np.random.Generator, own: Views, quota: _Quota, *, likely: Floats, gone_us: Integers) -> Purchases:
    """Orders of things seen together, some of them never looked at before; carts on the way; orders repeated later.

    `likely` is the chance of each view to end in an order, before the quota is met; `gone_us` is when each item goes.
    """
    order = np.lexsort((own.at_us, _shuffled_sessions(rng, own.session)))
    order = order[_first_of_each(own.item[order])]
    # What was not ordered at first comes last, should the rest not suffice.
    chosen = order[np.argsort(rng.random(order.size) > likely[order], kind="stable")][: quota.bought]
    ends = _session_ends(own, int(own.session.max()) + 1)
    first = Views(own.session[chosen], own.item[chosen], ends[own.session[chosen]] + 120 * _SECOND_US)
    unseen = rng.choice(first.item, size=quota.unseen, replace=False)
    through_cart = min(round(CARTED_BEFORE_BUYING_SHARE * quota.bought), quota.carted)
    carted = rng.choice(chosen, size=through_cart, replace=False)
    idle = order[~np.isin(order, chosen)]
    left = rng.choice(idle, size=quota.carted - through_cart, replace=False)
    return Purchases(
        views=_select(own, ~np.isin(own.item, unseen)),
        carts=_later(own, np.concatenate([carted, left]), 12 * _SECOND_US),
        purchases=join([first, _repeats(rng, first, quota.repeats, ends=ends, gone_us=gone_us)]),
    )


def _repeats(rng: np.random.Generator, first: Views, count: int, *, ends: Integers, gone_us: Integers) -> Views:
    """`count` more purchases of things bought before, together in later sessions where the buyer has any."""
    which = rng.choice(first.item.size, size=count)
    ordering = np.unique(first.session)
    latest = first.session[which]
    # Sessions are numbered by time within a user, so that a later one has the greater number.
    at_least = np.searchsorted(ordering, latest, side="right")
    later = ordering[np.minimum(at_least + rng.integers(0, 1 + ordering.size // 2, size=count), ordering.size - 1)]
    # What is gone by then was bought twice in the first order.
    session = np.where((later > latest) & (ends[later] < gone_us[first.item[which]]), later, latest)
    return Views(session, first.item[which], ends[session] + 150 * _SECOND_US)


def _select(views: Views, rows: Integers | Flags) -> Views:
    return Views(views.session[rows], views.item[rows], views.at_us[rows])


def _later(views: Views, rows: Integers, by_us: int) -> Views:
    return Views(views.session[rows], views.item[rows], views.at_us[rows] + by_us)


def _shuffled_sessions(rng: np.random.Generator, session: Integers) -> Floats:
    """A sort key that keeps each session together and puts the sessions into a random order."""
    return rng.random(int(session.max()) + 1)[session]


def _first_of_each(values: Integers) -> Integers:
    """Rows, in order, at which a value stands for the first time."""
    return np.sort(np.unique(values, return_index=True)[1])


def _position_in_run(values: Integers) -> Integers:
    """0, 1, 2, ... within each run of equal values."""
    rows = np.arange(values.size)
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    positions: Integers = rows - np.repeat(starts, np.diff(starts, append=values.size))
    return positions


def _session_ends(views: Views, sessions: int) -> Integers:
    ends = np.zeros(sessions, dtype=np.int64)
    np.maximum.at(ends, views.session, views.at_us)
    return ends
