"""Evaluation protocols on files: what a model may learn, what it is told of each user, and what it is asked to find."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from evershelf.contracts.inference import HISTORY_MAX
from evershelf.models.interactions import SECONDS_PER_DAY, Interactions
from evershelf.models.sparse_rows import Int64s
from evershelf.training.evaluate import Case
from evershelf.training.files import FileRefusedError, Tables

LEAVE_ONE_OUT = "leave-one-out"
RULES = f"{LEAVE_ONE_OUT}, last-N-percent, last-N-days, random-N-percent or strong-N-percent"
_RULE = re.compile(r"(last|random|strong)-(\d{1,3})-(percent|days)")
_HELD_OUT_SHARE = 0.1
# Of a user who is kept from training (strong generalisation), this share is to be found.
_STRONG_WANTED_SHARE = 0.2
NEXT_CASES_MAX = 20_000

Mask = npt.NDArray[np.bool_]


class Asking(StrEnum):
    """What makes a case: a user with all that he did in the test, or each next interaction by itself.

    `next` tells what came before in the order of time and rows; `next-strict` only what has an earlier time.
    """

    USERS = "users"
    NEXT = "next"
    NEXT_STRICT = "next-strict"


@dataclass(frozen=True, slots=True)
class Protocol:
    """`known` is learned from, `told` is the history of those who are asked about, `wanted` is to be found.

    `ordered` and `dated` tell whether the order of events means anything, and whether times do.
    """

    known: Interactions
    told: Interactions
    wanted: Interactions
    ordered: bool
    dated: bool
    asking: Asking = Asking.USERS
    rule: str = ""

    @classmethod
    def given(cls, tables: Tables, *, asking: Asking = Asking.USERS) -> Self:
        """Train and test as the files have them. Without times the order of rows means nothing.

        Raises:
            FileRefusedError: next interactions are asked for, and there are no times.
        """
        if asking is not Asking.USERS and not (tables.dated and tables.test_dated):
            raise FileRefusedError("next interactions are told by their times: both files need the column time")
        return cls(tables.train, tables.train, tables.test, tables.dated, tables.dated, asking)

    @classmethod
    def split(cls, tables: Tables, rule: str, *, asking: Asking = Asking.USERS, seed: int = 7) -> Self:
        """One file, split by a rule. Without times the rows of a user are in order.

        Raises:
            FileRefusedError: there is no such rule, or it asks for times or an order that are not there.
        """
        whole = tables.train
        wanted = _wanted(whole, rule, dated=tables.dated, seed=seed)
        told = whole.where(~wanted)
        known = told
        if rule.startswith("strong"):
            held_out = np.unique(whole.users[wanted])
            known = told.where(~np.isin(told.users, held_out))
        ordered = not rule.startswith("random")
        if not ordered and asking is not Asking.USERS:
            raise FileRefusedError(f"next interactions have no meaning after {rule}")
        return cls(known, told, whole.where(wanted), ordered, tables.dated and ordered, asking, rule)

    @property
    def end_days(self) -> float:
        """Right after the newest interaction known."""
        return float(self.known.days.max(initial=0.0)) + 1 / SECONDS_PER_DAY

    def inner(self, *, seed: int) -> Self:
        """The same question about a part of what is known: for choosing, made as the test seems to have been made."""
        known = self.known
        if not self.ordered:
            held_out = np.random.default_rng(seed).random(len(known)) < _HELD_OUT_SHARE
        elif self.rule.startswith("strong"):
            held_out = _of_some_users(known, _HELD_OUT_SHARE, ordered=True, seed=seed)
            learned = known.where(~held_out & ~np.isin(known.users, np.unique(known.users[held_out])))
            return replace(self, known=learned, told=known.where(~held_out), wanted=known.where(held_out))
        elif self.asking is Asking.USERS and len(self.wanted) == len(np.unique(self.wanted.users)):
            held_out = _last_of_each(known)
        elif self.asking is Asking.USERS and self.dated and self.wanted.days.min() < known.days.max():
            # Each user's own last events are wanted, whenever these were.
            held_out = _last_share_of_each(known, len(self.wanted) / (len(known) + len(self.wanted)))
        else:
            held_out = self._last_window()
        return replace(self, known=known.where(~held_out), told=known.where(~held_out), wanted=known.where(held_out))

    def _last_window(self) -> Mask:
        """The newest part of what is known: as long as the test's window, but at most twice the usual share."""
        usual = _newest(self.known, _HELD_OUT_SHARE)
        if not self.dated or not len(self.wanted):
            return usual
        since = self.known.days.max() - (self.wanted.days.max() - self.wanted.days.min())
        window = np.asarray(self.known.days >= since, np.bool_)
        return window if 0 < window.mean() <= 2 * _HELD_OUT_SHARE else usual

    def cases(self, *, seed: int = 7) -> list[Case]:
        """Who is asked about: histories newest first; only items new to the user are wanted, and the others masked."""
        return _next_cases(self, seed=seed) if self.asking is not Asking.USERS else _user_cases(self)


def _user_cases(protocol: Protocol) -> list[Case]:
    told, wanted, end_days = protocol.told, protocol.wanted, protocol.end_days
    before, after = told.starts(), wanted.starts()
    found = []
    for user in np.flatnonzero(np.diff(after) > 0):
        had = slice(before[user], before[user + 1])
        seen = np.unique(told.items[had]).astype(np.int64)
        targets = np.setdiff1d(wanted.items[after[user] : after[user + 1]], seen).astype(np.int64)
        if len(targets):
            found.append(_asked(told, had, seen, targets, now_days=end_days))
    return found


def _next_cases(protocol: Protocol, *, seed: int) -> list[Case]:
    whole, is_wanted = _merged(protocol.told, protocol.wanted)
    places = np.flatnonzero(is_wanted)
    if len(places) > NEXT_CASES_MAX:
        places = np.sort(np.random.default_rng(seed).choice(places, NEXT_CASES_MAX, replace=False))
    starts = whole.starts()
    found = []
    for place in places:
        first = starts[whole.users[place]]
        last = int(place)
        if protocol.asking is Asking.NEXT_STRICT:  # what happened at the same instant is not known yet
            last = first + int(np.searchsorted(whole.days[first : place + 1], whole.days[place]))
        had = slice(first, last)
        seen = np.unique(whole.items[had]).astype(np.int64)
        target = whole.items[place : place + 1].astype(np.int64)
        if target[0] not in seen:
            found.append(_asked(whole, had, seen, target, now_days=float(whole.days[place])))
    return found


def _asked(told: Interactions, had: slice, seen: Int64s, targets: Int64s, *, now_days: float) -> Case:
    """What a gateway would ask: the newest HISTORY_MAX interactions, newest first. All that was seen stays masked."""
    newest = slice(max(had.start, had.stop - HISTORY_MAX), had.stop)
    kinds, ages_days = told.kinds[newest][::-1].astype(np.int64), now_days - told.days[newest][::-1]
    return Case(told.items[newest][::-1], kinds, ages_days, seen, targets)


def _merged(told: Interactions, wanted: Interactions) -> tuple[Interactions, Mask]:
    """Both in order of user and time, and which of them are wanted."""
    parts = (
        np.concatenate((getattr(told, name), getattr(wanted, name))) for name in ("users", "items", "days", "kinds")
    )
    users, items, days, kinds = parts
    is_wanted = np.arange(len(users)) >= len(told)
    order = np.lexsort((np.arange(len(users)), days, users))
    sizes = (told.user_count, told.item_count)
    return Interactions(users[order], items[order], days[order], kinds[order], *sizes), is_wanted[order]


def _wanted(interactions: Interactions, rule: str, *, dated: bool, seed: int) -> Mask:
    if rule == LEAVE_ONE_OUT:
        return _last_of_each(interactions)
    found = _RULE.fullmatch(rule)
    number = int(found[2]) if found else 0
    if found is None or not number or (found[3] == "percent" and number > 99):
        raise FileRefusedError(f"no split rule {rule!r}: there are {RULES}")
    if found[3] == "days":
        if found[1] != "last" or not dated:
            raise FileRefusedError(f"{rule!r} is no rule for these data: days are counted for last-N-days, by times")
        return np.asarray(interactions.days >= interactions.days.max() - number, np.bool_)
    if found[1] == "last":
        return _newest(interactions, number / 100)
    if found[1] == "random":
        return np.asarray(np.random.default_rng(seed).random(len(interactions)) < number / 100, np.bool_)
    return _of_some_users(interactions, number / 100, ordered=dated, seed=seed)


def _last_of_each(interactions: Interactions) -> Mask:
    """True at the newest interaction of each user who has more than one."""
    mask = np.zeros(len(interactions), np.bool_)
    starts = interactions.starts()
    mask[starts[1:][np.diff(starts) > 1] - 1] = True
    return mask


def _last_share_of_each(interactions: Interactions, share: float) -> Mask:
    """True at the newest share of each user's interactions, rounded down, so that something is left to learn from."""
    starts = interactions.starts()
    lengths = np.diff(starts)[interactions.users]
    places = np.arange(len(interactions)) - starts[interactions.users]
    return np.asarray(places >= lengths - np.floor(lengths * share), np.bool_)


def _newest(interactions: Interactions, share: float) -> Mask:
    """True in the newest share; what happened at one instant stays together."""
    return np.asarray(interactions.days >= np.quantile(interactions.days, 1 - share, method="higher"), np.bool_)


def _of_some_users(interactions: Interactions, share: float, *, ordered: bool, seed: int) -> Mask:
    """Strong generalisation: for that share of the users, the last fifth (by chance where order means nothing)."""
    random = np.random.default_rng(seed)
    starts = interactions.starts()
    chosen = random.random(interactions.user_count) < share
    lengths = np.diff(starts)[interactions.users]
    places = np.arange(len(interactions)) - starts[interactions.users]
    if ordered:
        late = places >= np.ceil(lengths * (1 - _STRONG_WANTED_SHARE))
    else:
        late = random.random(len(interactions)) < _STRONG_WANTED_SHARE
    return np.asarray(chosen[interactions.users] & late, np.bool_)
