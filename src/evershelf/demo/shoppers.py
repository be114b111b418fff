"""Who shops, when and in which mood: users, their sessions and the taste of each session."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from evershelf.demo.catalog import WINDOW_DAYS, Floats, Integers
from evershelf.demo.departments import TASTES
from evershelf.demo.targets import BUYERS

USERS = 5_000
ANONYMOUS = -1
ANONYMOUS_SESSIONS = 34_000
SESSIONS_PER_USER_MEAN = 19.0
SESSIONS_PER_USER_MAX = 160
# Share of users who were there before the window, and of those who come in its last days.
OLD_USERS_SHARE = 0.5
NEW_USERS_SHARE = 0.03
NEW_USERS_DAYS = 3
# A user's next session goes on with the last one's taste this often.
STICKINESS = 0.45
STEPS_MAX = 24
HOURS = WINDOW_DAYS * 24
# No session starts later than this before the end, so that all of it lies inside the window.
LAST_START_HOURS = 0.5
# Visits by hour of the day (UTC) and by day of the week from Monday, relative to each other.
_BY_HOUR = (3, 2, 1, 1, 1, 2, 4, 6, 8, 9, 10, 10, 11, 10, 9, 9, 10, 11, 13, 15, 16, 14, 10, 6)
_BY_WEEKDAY = (1.05, 1.0, 0.98, 0.97, 0.95, 1.1, 1.3)
_GROWTH = 0.35


class Segment(StrEnum):
    """What kind of shopper a user is; stands in the user's attributes."""

    TRADE = "trade"  # a buyer with long order lists
    HOUSEHOLD = "household"  # a buyer with short ones
    VISITOR = "visitor"  # looks around, may fill a cart, buys nothing under this account


# From this many distinct items on, a buyer counts as trade.
TRADE_FROM_ITEMS = 35


@dataclass(frozen=True)
class Shoppers:
    """The first BUYERS of USERS buy. `born_day` < 0 is before the window; `mix`: users x tastes, rows sum to 1."""

    born_day: Floats
    mix: Floats


@dataclass(frozen=True)
class Sessions:
    """Sessions ordered by user, then time; the anonymous ones first. `start_day` counts from the window's start."""

    user: Integers
    start_day: Floats
    taste: Integers
    steps: Integers


def draw_shoppers(rng: np.random.Generator) -> Shoppers:
    """Users with a birth day and a mixture of a few tastes; buyers have more tastes and come early."""
    kind = rng.random(USERS)
    born = np.where(kind < OLD_USERS_SHARE, -1.0, rng.uniform(0, WINDOW_DAYS - NEW_USERS_DAYS, USERS))
    born = np.where(kind > 1 - NEW_USERS_SHARE, WINDOW_DAYS - rng.uniform(0.1, NEW_USERS_DAYS, USERS), born)
    born[:BUYERS] = np.where(kind[:BUYERS] < 0.7, -1.0, rng.uniform(0, WINDOW_DAYS / 2, BUYERS))
    fashion = (1.0 + rng.permutation(len(TASTES))) ** -0.4
    count = 1 + rng.binomial(3, 0.4, USERS)
    count[:BUYERS] = 2 + np.arange(BUYERS) // 12
    order = np.argsort(-np.log(rng.random((USERS, len(TASTES)))) / fashion, axis=1)
    rank = np.argsort(order, axis=1)
    mix = np.where(rank < count[:, None], rng.gamma(1.2, size=rank.shape) + 0.05, 0.0)
    return Shoppers(born_day=born, mix=mix / mix.sum(axis=1, keepdims=True))


def draw_sessions(
    rng: np.random.Generator, shoppers: Shoppers, until: datetime, *, buyer_sessions: Integers
) -> Sessions:
    """Everybody's sessions; a user always has at least one, a new user the first at the moment of appearing."""
    clock = _clock(until)
    spent = np.interp(np.maximum(shoppers.born_day, 0) * 24, np.arange(HOURS + 1), clock)
    wanted = SESSIONS_PER_USER_MEAN * rng.lognormal(-0.5, 1.0, USERS) * (1 - spent)
    counts = np.clip(rng.poisson(wanted), 1, SESSIONS_PER_USER_MAX)
    counts[:BUYERS] = buyer_sessions
    user = np.concatenate([np.full(ANONYMOUS_SESSIONS, ANONYMOUS), np.repeat(np.arange(USERS), counts)])
    floor = np.where(user == ANONYMOUS, 0.0, spent[user])
    quantile = floor + rng.random(user.size) * (1 - floor)
    first = np.diff(user, prepend=-2) != 0
    newcomer = first & (user != ANONYMOUS) & (shoppers.born_day[user] >= 0)
    quantile = np.where(newcomer, floor, quantile)
    start_day = np.interp(quantile, clock, np.arange(HOURS + 1)) / 24 * (1 - LAST_START_HOURS / HOURS)
    order = np.lexsort((start_day, user))
    user, start_day = user[order], start_day[order]
    steps = np.minimum(rng.geometric(np.where((user >= 0) & (user < BUYERS), 0.1, 0.165)), STEPS_MAX)
    return Sessions(user=user, start_day=start_day, taste=_session_tastes(rng, shoppers, user), steps=steps)


def draw_names(rng: np.random.Generator) -> list[str]:
    """The users' ids, shuffled, so that buyers do not stand at the top of every list."""
    return [f"user-{number + 1:04d}" for number in rng.permutation(USERS)]


def _clock(until: datetime) -> Floats:
    """Cumulative share of sessions at each hour of the window: hour of the day, weekday, slow growth."""
    start = until - timedelta(days=WINDOW_DAYS)
    hours = np.arange(HOURS)
    by_hour = np.array(_BY_HOUR, float)[(start.hour + hours) % 24]
    by_weekday = np.array(_BY_WEEKDAY)[(start.weekday() + (start.hour + hours) // 24) % 7]
    weight = by_hour * by_weekday * (1 + _GROWTH * hours / HOURS)
    return np.concatenate([[0.0], np.cumsum(weight) / weight.sum()])


def _session_tastes(rng: np.random.Generator, shoppers: Shoppers, user: Integers) -> Integers:
    """A taste a session from the user's mixture, often the one of the session before."""
    overall = shoppers.mix.mean(axis=0, keepdims=True)
    cumulative = np.cumsum(np.vstack([shoppers.mix, overall]), axis=1)  # row -1 (ANONYMOUS) is the overall mixture
    drawn = np.minimum((rng.random((user.size, 1)) > cumulative[user]).sum(axis=1), len(TASTES) - 1)
    goes_on = (rng.random(user.size) < STICKINESS) & (np.diff(user, prepend=-2) == 0) & (user != ANONYMOUS)
    source = np.maximum.accumulate(np.where(goes_on, 0, np.arange(user.size)))
    tastes: Integers = drawn[source]
    return tastes
