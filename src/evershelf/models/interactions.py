"""Interactions as arrays: what every model is fitted on."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from evershelf.contracts.events import EventType
from evershelf.models.sparse_rows import Float64s, Int32s, Int64s

SECONDS_PER_DAY = 86_400.0
# Codes of event types in arrays; the order of the enum is part of the wire contract and only ever grows at its end.
EVENT_TYPES: tuple[EventType, ...] = tuple(EventType)
EVENT_CODES: dict[EventType, int] = {kind: code for code, kind in enumerate(EVENT_TYPES)}

Int8s = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Interactions:
    """Interactions ordered by user, time, item and kind: users and items int32[m], days float64[m], kinds int8[m].

    `days` are days since 1970 in UTC; users and items are indices below `user_count` and `item_count`.
    """

    users: Int32s
    items: Int32s
    days: Float64s
    kinds: Int8s
    user_count: int
    item_count: int

    def __len__(self) -> int:
        """How many interactions there are."""
        return len(self.users)

    @classmethod
    def ordered(
        cls, users: Int32s, items: Int32s, days: Float64s, kinds: Int8s, *, user_count: int, item_count: int
    ) -> Self:
        """The same interactions in the one order that makes all that follows deterministic."""
        order = np.lexsort((kinds, items, days, users))
        return cls(users[order], items[order], days[order], kinds[order], user_count, item_count)

    def where(self, mask: npt.NDArray[np.bool_]) -> Self:
        """The interactions for which `mask` bool[m] holds, in the same order and over the same users and items."""
        return type(self)(
            self.users[mask], self.items[mask], self.days[mask], self.kinds[mask], self.user_count, self.item_count
        )

    def slice_of(self, first: int, last: int) -> Self:
        """The interactions at positions first..last, without copying."""
        part = slice(first, last)
        return type(self)(
            self.users[part], self.items[part], self.days[part], self.kinds[part], self.user_count, self.item_count
        )

    def between(self, since_days: float, until_days: float) -> Self:
        """The interactions of since <= time < until."""
        return self.where((self.days >= since_days) & (self.days < until_days))

    def starts(self) -> Int64s:
        """Where each user's interactions begin: int64[user_count + 1]."""
        return np.searchsorted(self.users, np.arange(self.user_count + 1)).astype(np.int64)

    def user_items(self, values: Float64s) -> sparse.csr_array[np.float64, tuple[int, int]]:
        """Users by items, holding for each pair the largest of its interactions' `values`."""
        if not len(self):
            return sparse.csr_array((self.user_count, self.item_count))
        cells = self.users.astype(np.int64) * self.item_count + self.items
        order = np.argsort(cells, kind="stable")
        cells = cells[order]
        begins = np.flatnonzero(np.concatenate(([True], cells[1:] != cells[:-1])))
        largest = np.maximum.reduceat(values[order], begins)
        del order  # as large as the interactions, and no longer needed
        cells = cells[begins]
        bounds = np.searchsorted(cells, np.arange(self.user_count + 1) * self.item_count)
        columns = (cells % self.item_count).astype(np.int32)
        return sparse.csr_array((largest, columns, bounds), shape=(self.user_count, self.item_count))


def decay(ages_days: Float64s, half_life_days: float | None) -> Float64s:
    """0.5 ** (age / half-life); ones where there is no half-life."""
    if half_life_days is None:
        return np.ones(len(ages_days))
    return np.asarray(0.5 ** (np.maximum(ages_days, 0.0) / half_life_days), np.float64)
