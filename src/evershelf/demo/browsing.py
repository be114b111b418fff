"""What is looked at in each session: a walk led by taste, appeal, season, novelty and what goes together."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from evershelf.demo.catalog import WINDOW_DAYS, Catalog, Flags, Floats, Integers
from evershelf.demo.departments import CATEGORIES, TASTES
from evershelf.demo.shoppers import STEPS_MAX, Sessions

# At each step: how often to a companion of the item before, and how often anywhere, whatever the taste.
COMPANION_SHARE = 0.38
ANYWHERE_SHARE = 0.15
# How often a step of the last three is looked at again.
AGAIN_SHARE = 0.08
COMPANIONS = 6
_COMPANION_WEIGHTS = (0.34, 0.22, 0.16, 0.12, 0.09, 0.07)
# An item out of a session's taste counts this much, relative to one that fits.
OTHER_TASTE_WEIGHT = 0.004
DRAWS_MAX = 8
# Acceptance of a drawn item: what is new is looked at more.
NOVELTY_DAYS = 21
NOT_NEW_ACCEPTANCE = 0.7
SEASON_SWING = 0.6
STEP_GAP_S = 40.0
STEP_GAP_MIN_S = 6.0
DAY_US = 86_400_000_000
NOTHING = -1


@dataclass(frozen=True)
class Views:
    """Looks at items, ordered by session and time: indices of session and item, microseconds since the start."""

    session: Integers
    item: Integers
    at_us: Integers


class Browsing:
    """Draws items the way the shop's shoppers come upon them."""

    def __init__(self, rng: np.random.Generator, catalog: Catalog, until: datetime) -> None:
        """Prepares the tables: items by taste, companions, season of each category by day."""
        self._rng = rng
        self._catalog = catalog
        tastes = np.arange(len(TASTES))[:, None]
        weight = catalog.appeal * np.where(catalog.taste == tastes, 1.0, OTHER_TASTE_WEIGHT)
        weight = np.vstack([weight, catalog.appeal])  # the last row is "anywhere"
        cumulative = np.cumsum(weight / weight.sum(axis=1, keepdims=True), axis=1)
        cumulative[:, -1] = 1.0
        # One sorted array for all tastes: taste t occupies [t, t + 1).
        self._shelves = (cumulative + np.arange(len(weight))[:, None]).ravel()
        self._season = _season(until)
        taste = np.repeat(catalog.taste, COMPANIONS)
        self._companions = self._from_shelves(taste).reshape(-1, COMPANIONS)
        self._companion_steps = np.cumsum(_COMPANION_WEIGHTS)

    @property
    def gone_us(self) -> Integers:
        """When each item goes, in microseconds since the window's start; what stays goes after its end."""
        return (np.minimum(self._catalog.gone_day, WINDOW_DAYS + 1) * DAY_US).astype(np.int64)

    def walk(self, sessions: Sessions) -> Views:
        """The items looked at in all sessions, one step at a time for all of them together."""
        seen = np.full((sessions.user.size, STEPS_MAX), NOTHING)
        day = np.minimum(sessions.start_day, WINDOW_DAYS - 1e-6)
        for step in range(STEPS_MAX):
            rows = np.flatnonzero(sessions.steps > step)
            seen[rows, step] = self._step(seen[rows], step, taste=sessions.taste[rows], day=day[rows])
        gaps = STEP_GAP_MIN_S + self._rng.exponential(STEP_GAP_S, seen.shape)
        at_us = (np.cumsum(gaps, axis=1) * 1e6).astype(np.int64)
        at_us += (day * DAY_US).astype(np.int64)[:, None]
        session, step_of = np.nonzero(seen != NOTHING)
        return Views(session=session, item=seen[session, step_of], at_us=at_us[session, step_of])

    def fitting(self, taste: Integers, day: Floats) -> Integers:
        """One item for each taste and day, or NOTHING where no draw was on the shelf on that day."""
        item = np.full(taste.size, NOTHING)
        missing = np.arange(taste.size)
        for _ in range(DRAWS_MAX):
            drawn = self._from_shelves(taste[missing])
            good = self._accepts(drawn, day[missing])
            item[missing[good]] = drawn[good]
            missing = missing[~good]
        return item

    def fits(self, taste: Integers, item: Integers) -> Flags:
        """Whether each item is of the taste beside it."""
        same: Flags = self._catalog.taste[item] == taste
        return same

    def _step(self, seen: Integers, step: int, *, taste: Integers, day: Floats) -> Integers:
        chance = self._rng.random(taste.size)
        wanders = self._rng.random(taste.size) < ANYWHERE_SHARE
        item = self.fitting(np.where(wanders, len(TASTES), taste), day)
        if step == 0:
            return item
        before = seen[:, step - 1]
        which = np.searchsorted(self._companion_steps, self._rng.random(taste.size)).clip(max=COMPANIONS - 1)
        companion = self._companions[before, which]
        follows = (chance < COMPANION_SHARE) & (before != NOTHING) & self._alive(companion, day)
        item = np.where(follows, companion, item)
        earlier = seen[np.arange(taste.size), max(0, step - 3)]
        return np.where((chance > 1 - AGAIN_SHARE) & (earlier != NOTHING), earlier, item)

    def _from_shelves(self, taste: Integers) -> Integers:
        number = len(self._catalog.items)
        found = np.searchsorted(self._shelves, taste + self._rng.random(taste.size), side="right")
        items: Integers = np.minimum(found - taste * number, number - 1)
        return items

    def _alive(self, item: Integers, day: Floats) -> Flags:
        return (self._catalog.born_day[item] <= day) & (day < self._catalog.gone_day[item])

    def _accepts(self, item: Integers, day: Floats) -> Flags:
        fresh = day - self._catalog.born_day[item] < NOVELTY_DAYS
        chance = (
            np.where(fresh, 1.0, NOT_NEW_ACCEPTANCE) * self._season[self._catalog.category[item], day.astype(np.int64)]
        )
        return self._alive(item, day) & (self._rng.random(item.size) < chance)


def _season(until: datetime) -> Floats:
    """Acceptance 0..1 of each category on each day of the window: highest around the category's peak month."""
    first = until - timedelta(days=WINDOW_DAYS)
    year_share = (first.timetuple().tm_yday + np.arange(WINDOW_DAYS)) / 365.25
    peak = np.array([category.peak_month for category in CATEGORIES])[:, None]
    wave = np.cos(2 * np.pi * (year_share - (peak - 0.5) / 12))
    # Sharper at the peak than a plain cosine: a season lasts weeks, not half a year.
    sharp = np.exp(2.0 * (wave - 1))
    season: Floats = np.where(peak == 0, 1 - SEASON_SWING / 2, 1 - SEASON_SWING + SEASON_SWING * sharp)
    return season
